-- Keeps the failed requests of all access logs in a file for each day, and follows the logs:
--   cargo xtask run examples/files.lua
-- Stop it with Ctrl-C; started again, it continues where it was.
local gopiper = require('gopiper')

gopiper.createPipeline({
  gopiper.loadComponent('file_source_component.so', { paths = { 'data/*.log' }, follow = true }),
  gopiper.loadComponent('grep_component.so', { word = '" 500 ' }),
  gopiper.loadComponent('file_sink_component.so', { path = '../target/failed-%Y-%m-%d.log' }),
})
