local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { wort = 'a' }),
  gopiper.loadComponent('grep_component.so', { word = 'a' }, { ordred = true }),
  gopiper.loadComponent('stdout_component.so', {}),
})
