local gopiper = require('gopiper')
local parts = require('parts.wrong')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  parts.grep(),
  gopiper.loadComponent('stdout_component.so', {}),
})
