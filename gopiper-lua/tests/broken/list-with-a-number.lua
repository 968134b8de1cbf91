local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  7,
  gopiper.loadComponent('stdout_component.so', {}),
})
