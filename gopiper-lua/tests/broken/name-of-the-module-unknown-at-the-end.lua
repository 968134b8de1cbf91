local gopiper = require('gopiper')
gopiper.createPipline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('stdout_component.so', {}),
})
