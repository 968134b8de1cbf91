local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', { max_length = 4, too_long = 'fail' }, { on_fail = 'stop' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
