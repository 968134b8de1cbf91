local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { word = 'a', pool_size = 2 }),
  gopiper.loadComponent('stdout_component.so', {}),
})
