local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('file_source_component.so', { paths = { 'in/*.log' }, checkpoint = false }),
  gopiper.loadComponent('file_sink_component.so', { path = 'in/{host}.log' }),
})
