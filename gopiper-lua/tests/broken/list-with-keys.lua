local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  sink = gopiper.loadComponent('null_component.so', {}),
  gopiper.loadComponent('stdout_component.so', {}),
})
