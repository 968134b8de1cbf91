local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.buffer({ max_byte = 1, when_full = 'drop' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
