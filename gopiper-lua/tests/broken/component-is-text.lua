local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('text_component.so', {}),
  gopiper.loadComponent('stdout_component.so', {}),
})
