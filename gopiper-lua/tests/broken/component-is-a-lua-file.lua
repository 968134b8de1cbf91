local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('./no-pipeline.lua', {}),
  gopiper.loadComponent('stdout_component.so', {}),
})
