local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { word = 'a' }, { name = 'a' }),
  gopiper.loadComponent('grep_component.so', { word = 'a' }, { name = 'a' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
