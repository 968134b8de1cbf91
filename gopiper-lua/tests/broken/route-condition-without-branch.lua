local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.route({ errors = 'ERROR' }, { error = {}, default = {} }),
  gopiper.loadComponent('stdout_component.so', {}),
})
