local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.tee({ gopiper.loadComponent('stdout_component.so', {}) }, {
    gopiper.tee({ policy = 'detach' }),
    gopiper.loadComponent('null_component.so', {}),
  }),
  gopiper.loadComponent('null_component.so', {}),
})
