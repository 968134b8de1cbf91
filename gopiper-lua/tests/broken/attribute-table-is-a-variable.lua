local gopiper = require('gopiper')
local attributes = { word = 'a' }
attributes.inverse = true
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', attributes),
  gopiper.loadComponent('stdout_component.so', {}),
})
