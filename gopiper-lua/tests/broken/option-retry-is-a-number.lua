local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { word = 'a' }, { retry = 5 }),
  gopiper.loadComponent('stdout_component.so', {}),
})
