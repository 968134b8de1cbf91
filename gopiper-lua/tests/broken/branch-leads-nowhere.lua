local gopiper = require('gopiper')
local function load(name) return gopiper.loadComponent(name .. '_component.so', {}) end
gopiper.createPipeline({
  load('generate'),
  gopiper.route({ errors = 'ERROR' }, {
    errors = { gopiper.tee({ load('null') }, { load('pass') }) },
    default = { function() end },
  }),
}, { name = 'transforms' })
gopiper.createPipeline({
  load('generate'),
  gopiper.route({ errors = 'ERROR' }, { errors = {}, default = { load('null') } }),
}, { name = 'empty' })
gopiper.createPipeline({
  gopiper.merge({ load('generate'), load('null') }, {}),
  load('null'),
}, { name = 'merged' })
