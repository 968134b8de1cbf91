local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { regex = '^' .. gopiper.env('NO_SUCH_WORD') .. '$' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
