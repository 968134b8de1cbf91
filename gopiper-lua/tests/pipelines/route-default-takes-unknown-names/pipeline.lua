-- The branch 'default' gets messages of names that no other branch has, and those without a name.
local gopiper = require('gopiper')

gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.route(function(message)
    if message.data ~= 'nothing' then return message.data end
  end, {
    error = { gopiper.loadComponent('null_component.so', {}) },
    default = { function(message) message:append(' went to default') end },
  }),
  gopiper.loadComponent('stdout_component.so', {}),
})
