local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('file_source_component.so', { paths = { 'a' } }),
  gopiper.loadComponent('stdout_component.so', {}),
})
