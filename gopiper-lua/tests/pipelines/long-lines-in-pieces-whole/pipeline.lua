local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', { max_length = 10 }),
  gopiper.loadComponent('stdout_component.so', {}),
})
