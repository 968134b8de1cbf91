local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { word = 'a' }, { channel_size = 0 }),
  gopiper.loadComponent('stdout_component.so', {}),
})
