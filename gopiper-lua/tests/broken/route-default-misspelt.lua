local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.route({ errors = 'ERROR' }, {
    errors = {},
    defualt = {},
  }),
  gopiper.loadComponent('stdout_component.so', {}),
})
