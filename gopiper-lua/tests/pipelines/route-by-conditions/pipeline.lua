-- Conditions are tried in the order of their names; nothing is left for the default.
local gopiper = require('gopiper')

gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.route({
    b_errors = 'ERROR',
    a_slow = function(message) return tonumber(message:sub(1, 3)) >= 500 end,
  }, {
    a_slow = { function(message) message:append(' slow') end },
    b_errors = { gopiper.loadComponent('null_component.so', {}) },
  }),
  gopiper.loadComponent('stdout_component.so', {}),
})
