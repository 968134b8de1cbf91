local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.transform('DROP', {}),
  gopiper.loadComponent('stdout_component.so', {}),
})
