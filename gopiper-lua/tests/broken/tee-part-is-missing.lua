local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.tee({ gopiper.loadComponent('sdtout_component.so', {}) }, 'null_component.so', { 1 }),
})
