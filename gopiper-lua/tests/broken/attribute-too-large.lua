local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', { delimiter = '\n', max_length = -1, block_size = 'large' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
