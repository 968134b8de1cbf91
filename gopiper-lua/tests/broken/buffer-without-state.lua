local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.buffer(),
  gopiper.loadComponent('stdout_component.so', {}),
})
