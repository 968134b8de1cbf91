-- Messages that fit no branch fail, with the reason.
local gopiper = require('gopiper')

gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.route({ a = 'a' }, { a = {} }, { on_fail = 'discard' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
