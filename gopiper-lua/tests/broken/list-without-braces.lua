local gopiper = require('gopiper')
local function load(name) return gopiper.loadComponent(name .. '_component.so', {}) end
gopiper.createPipeline({
  gopiper.merge(load('stdin'), { load('generate') }),
  gopiper.tee(function() end, gopiper.buffer()),
  gopiper.route({ x = 'x' }, { x = load('pass'), default = {} }),
  load('stdout'),
}, { name = 'branches' })
gopiper.createPipeline(load('stdin'), load('stdout'))
gopiper.createPipeline({ load('stdin') }, load('stdout'))
