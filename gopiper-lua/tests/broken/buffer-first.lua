-- arguments: --state-dir state
local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.buffer(),
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('stdout_component.so', {}),
})
