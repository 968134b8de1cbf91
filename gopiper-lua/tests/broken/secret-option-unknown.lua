local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { word = gopiper.secret{ enviroment = 'A' } }),
  gopiper.loadComponent('stdout_component.so', {}),
})
