local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', { bom = 'strip' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
