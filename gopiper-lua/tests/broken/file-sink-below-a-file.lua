local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('generate_component.so', {}),
  gopiper.tee({
    gopiper.loadComponent('file_sink_component.so', { path = 'file-sink-below-a-file.lua/out/a' }),
  }, {
    gopiper.loadComponent('file_sink_component.so', { path = 'parts' }),
  }),
})
