local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.route({ slow = 5, eror = 'ERROR' }, {
    slow = { gopiper.loadComponent('grep_component.so', { word = 5 }) },
    error = 'null_component.so',
    { },
    default = { 5, gopiper.loadComponent('stdout_component.so', {}, { pool_size = 2 }) },
  }, { nmae = 'x' }),
})
