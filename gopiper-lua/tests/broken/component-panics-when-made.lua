local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('faults_component.so', { at = 'new' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
