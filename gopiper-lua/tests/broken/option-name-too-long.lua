local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('generate_component.so', {}),
  gopiper.loadComponent('null_component.so', {}, { name = ('long'):rep(64) }),
})
