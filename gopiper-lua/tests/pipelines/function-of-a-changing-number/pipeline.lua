local gopiper = require('gopiper')
local component = gopiper.loadComponent('stdin_component.so', {})
local first = type(component) == 'userdata'
gopiper.createPipeline({
  component,
  function() end,
  first and function() end or gopiper.loadComponent('pass_component.so', {}),
  gopiper.loadComponent('stdout_component.so', {}),
})
