local gopiper = require('gopiper')
local function load(name, attributes) return gopiper.loadComponent(name .. '_component.so', attributes or {}) end
gopiper.createPipeline({
  gopiper.merge({ load('stdin') }, { load('stdin') }),
  gopiper.tee({ load('file_sink', { path = '/tmp/../tmp/gopiper-broken/a' }) }),
}, { name = 'first' })
gopiper.createPipeline({
  load('stdin'),
  gopiper.loadComponent('file_sink_component.so', { path = '/tmp/gopiper-broken/a' }),
}, { name = 'second' })
