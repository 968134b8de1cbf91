local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  print('x'),
  gopiper.loadComponent('stdout_component.so', {}),
})
