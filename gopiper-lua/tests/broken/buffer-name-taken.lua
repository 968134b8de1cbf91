-- arguments: --state-dir state
local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.buffer({ name = 'stdin' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
