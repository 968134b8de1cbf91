local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { word = 'a' }, { name = gopiper.secret{ env = 'PRESENT' } }),
  gopiper.loadComponent('stdout_component.so', {}),
})
