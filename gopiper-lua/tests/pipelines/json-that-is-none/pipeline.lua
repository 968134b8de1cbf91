local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('json_component.so', { drop = { 'a' } }),
  gopiper.loadComponent('stdout_component.so', {}),
})
