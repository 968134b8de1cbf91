local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.tee({ policy = 'fast', gopiper.loadComponent('null_component.so', {}) }, {}),
  gopiper.loadComponent('stdout_component.so', {}),
})
