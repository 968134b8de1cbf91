local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.route(function() return 'default' end, { ['caf\233'] = {}, default = {} }),
  gopiper.loadComponent('stdout_component.so', {}),
})
