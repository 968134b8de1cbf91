-- A result that is not a name fails, even with a default, which would hide a mistake.
local gopiper = require('gopiper')

local returned = { five = 5, boolean = true, no = false, table = {}, fine = 'other' }

gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.route(function(message) return returned[message.data] end, { default = {} }, { on_fail = 'discard' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
