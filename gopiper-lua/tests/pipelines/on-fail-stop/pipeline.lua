local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('faults_component.so', {}, {
    retry = { max_attempts = 2, initial_backoff = 0.001 },
    on_fail = 'stop',
  }),
  gopiper.loadComponent('stdout_component.so', {}),
})
