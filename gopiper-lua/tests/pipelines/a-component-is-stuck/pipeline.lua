local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('faults_component.so', {}, { timeout = 0.02, linger = 0.001 }),
  gopiper.loadComponent('stdout_component.so', {}),
})
