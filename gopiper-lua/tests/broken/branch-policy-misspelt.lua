local gopiper = require('gopiper')
local function null() return gopiper.loadComponent('null_component.so', {}) end
gopiper.createPipeline({
  gopiper.merge({ gopiper.loadComponent('generate_component.so', {}), policy = 'drop' }),
  gopiper.route(function() end, { one = { policy = 'drop', null() }, default = {} }),
  gopiper.tee({ null(), polcy = 'drop' }, { policy = 'drop', whatever = 1, null() }),
})
