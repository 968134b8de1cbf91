local gopiper = require('gopiper')
gopiper.trust({
  unsigned = 'refsue',
  trusted_keys = { 'nowhere.pub', 5 },
  keys = {},
})
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('stdout_component.so', {}),
})
