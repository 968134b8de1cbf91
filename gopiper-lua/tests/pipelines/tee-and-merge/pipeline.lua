-- Two sources come together; each message goes to all branches, and on from the first one. All are
-- alike, for the order of arrival is random.
local gopiper = require('gopiper')

gopiper.createPipeline({
  gopiper.merge({
    gopiper.loadComponent('stdin_component.so', {}),
    function(message) if message:find('x') then return gopiper.DROP end end,
  }, {
    gopiper.loadComponent('generate_component.so', { count = 3, size = 1 }),
    gopiper.transform(function(message) message.data = 'a' end, { name = 'own' }),
  }),
  gopiper.tee({
    function(message) message:append('!') end,
  }, {
    policy = 'drop',
    gopiper.loadComponent('null_component.so', {}),
  }, {
    policy = 'detach',
    gopiper.tee({ gopiper.loadComponent('null_component.so', {}) }),
  }),
  gopiper.loadComponent('stdout_component.so', {}),
})
