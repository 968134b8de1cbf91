local gopiper = require('gopiper')
local again = require('parts.again')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  function() end,
  again and gopiper.loadComponent('pass_component.so', {}) or function() end,
  gopiper.loadComponent('stdout_component.so', {}),
})
