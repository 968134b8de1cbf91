local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('stdout_component.so', {}),
}, { dead_letter = gopiper.loadComponent('null_component.so', {}, { on_fail = 'dead_letter' }) })
