local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('file_source_component.so', { paths = { '*.lua' }, checkpoint = true }),
  gopiper.loadComponent('null_component.so', {}),
}, { name = 'given' })
gopiper.createPipeline({
  gopiper.loadComponent('file_source_component.so', { paths = { '*.lua' } }),
  gopiper.loadComponent('null_component.so', {}),
}, { name = 'by itself' })
