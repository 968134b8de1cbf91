local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { word = gopiper.env('NO_SUCH_WORD'), invert = 1 }, { name = gopiper.env('NO_SUCH_NAME') }),
  gopiper.loadComponent('stdout_component.so', {}),
})
