local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('file_source_component.so', { paths = { '[12]' }, checkpoint = false }),
  function(m) m.data = m.data .. '!' end,
  gopiper.loadComponent('grep_component.so', { word = 'keep' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
