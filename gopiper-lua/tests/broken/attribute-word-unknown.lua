local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', { too_long = 'splt' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
