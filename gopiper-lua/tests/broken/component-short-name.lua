local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep', { word = 'a' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
