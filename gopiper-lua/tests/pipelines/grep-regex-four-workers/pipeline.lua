local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { regex = '^[ac]' }, { pool_size = 4, name = 'first letter', partition_by = 'kind' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
