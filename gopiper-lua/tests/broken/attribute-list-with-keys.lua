local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('file_source_component.so', { paths = { '*.log', sub = true } }),
  gopiper.loadComponent('stdout_component.so', {}),
})
