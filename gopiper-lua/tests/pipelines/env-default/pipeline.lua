local gopiper = require('gopiper')
local word = gopiper.env('NO_SUCH_VARIABLE', 'b')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { word = word }),
  function(message) message:append(word) end,
  gopiper.loadComponent('stdout_component.so', {}),
})
