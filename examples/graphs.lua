-- Reads two access logs at once, one from standard input and one from a file. Keeps all of it in an
-- archive, and shows the errors: the server's faults and the dead links, each marked as such.
--   cargo xtask run examples/graphs.lua < examples/data/access.log
local gopiper = require('gopiper')

local function mark(word)
  return function(message) message.data = word .. ': ' .. message.data end
end

gopiper.createPipeline({
  gopiper.merge({
    gopiper.loadComponent('stdin_component.so', {}),
  }, {
    gopiper.loadComponent('file_source_component.so', { paths = { 'data/*.log' }, checkpoint = false }),
  }),
  gopiper.tee({
    gopiper.loadComponent('file_sink_component.so', { path = '../target/archive.log' }),
  }, {}),
  gopiper.route({ faults = '" 5', missing = '" 404 ' }, {
    faults = { mark('fault') },
    missing = { mark('dead link') },
    default = { gopiper.loadComponent('null_component.so', {}) },
  }),
  gopiper.loadComponent('stdout_component.so', {}),
})
