local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('file_source_component.so', { paths = { 'l/{a,b}.log' }, checkpoint = false }),
  gopiper.loadComponent('stdout_component.so', {}),
})
