local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('stdout_component.so', {}),
}, { name = 'first' })
gopiper.createPipeline({
  gopiper.loadComponent('generate_component.so', { count = 1000 }),
  gopiper.loadComponent('null_component.so', {}),
}, { name = 'second' })
