local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('file_source_component.so', { paths = { '[12]' }, checkpoint = false }),
  gopiper.loadComponent('file_sink_component.so', { path = 'out.log' }),
})
