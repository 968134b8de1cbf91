local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', { split = 'blocks' }),
  gopiper.loadComponent('grep_component.so', { word = 'b\nc' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
