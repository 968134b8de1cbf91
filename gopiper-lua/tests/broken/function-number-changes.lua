local gopiper = require('gopiper')
-- A worker's loadComponent gives no userdata.
local input = gopiper.loadComponent('stdin_component.so', {})
local first = type(input) == 'userdata'
gopiper.createPipeline({
  input,
  function() end,
  first and function() end or gopiper.loadComponent('pass_component.so', {}),
  gopiper.loadComponent('stdout_component.so', {}),
})
