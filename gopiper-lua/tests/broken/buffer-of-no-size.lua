-- arguments: --state-dir state
local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.buffer({ max_bytes = 0 }),
  gopiper.loadComponent('stdout_component.so', {}),
})
