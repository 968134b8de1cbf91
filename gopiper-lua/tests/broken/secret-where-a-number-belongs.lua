local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { invert = gopiper.secret{ env = 'PRESENT' } }),
  gopiper.loadComponent('stdout_component.so', {}),
})
