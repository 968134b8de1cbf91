local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}, { pool_size = 4 }),
  gopiper.loadComponent('stdout_component.so', {}),
})
