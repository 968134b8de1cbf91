local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('gerp_component.so', { word = 'a' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
