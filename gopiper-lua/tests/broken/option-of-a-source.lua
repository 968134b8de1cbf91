local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}, { timeout = 1, retry = { max_attempts = 2 } }),
  gopiper.loadComponent('stdout_component.so', {}),
})
