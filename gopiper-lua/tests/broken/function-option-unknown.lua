local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.transform(function() end, { workers = 3 }),
  gopiper.loadComponent('stdout_component.so', {}),
})
