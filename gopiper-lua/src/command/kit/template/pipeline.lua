-- Tries upper.
local gopiper = require('gopiper')

gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('upper_component.so', { comment = '#' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
