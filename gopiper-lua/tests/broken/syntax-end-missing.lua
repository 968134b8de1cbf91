local gopiper = require('gopiper')
local function f()
  return 1

gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('stdout_component.so', {}),
})
