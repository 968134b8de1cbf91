local gopiper = require('gopiper')
local words = require('words')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { word = words.first }),
  gopiper.loadComponent('stdout_component.so', {}),
})
