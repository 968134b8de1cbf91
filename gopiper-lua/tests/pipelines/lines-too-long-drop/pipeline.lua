local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', { max_length = 4, too_long = 'drop', block_size = 3 }),
  gopiper.loadComponent('stdout_component.so', {}),
})
