-- Keeps the lines of an access log whose status is 500:
--   cargo xtask run examples/quickstart.lua < examples/data/access.log
local gopiper = require('gopiper')

gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { word = '" 500 ' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
