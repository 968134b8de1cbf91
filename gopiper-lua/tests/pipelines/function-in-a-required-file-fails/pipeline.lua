local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  require('lib.words'),
  gopiper.loadComponent('stdout_component.so', {}),
})
