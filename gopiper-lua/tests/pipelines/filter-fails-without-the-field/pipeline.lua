local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('filter_component.so', { condition = 'json.status >= 500' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
