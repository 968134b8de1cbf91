local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  function(message) return message end,
  gopiper.loadComponent('stdout_component.so', {}),
})
