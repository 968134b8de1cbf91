local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('file_source_component.so', { paths = { '*.log' }, path_attribute = 'file' }),
  gopiper.loadComponent('file_sink_component.so', { path = 'out/{file}/{{%%}}' }),
})
