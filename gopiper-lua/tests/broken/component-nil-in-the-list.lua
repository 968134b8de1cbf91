local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  grep,
  gopiper.loadComponent('stdout_component.so', {}),
})
