local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('filter_component.so', { condition = 'json.path.contain("x")' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
