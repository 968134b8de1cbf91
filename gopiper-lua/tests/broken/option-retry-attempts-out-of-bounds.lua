local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { word = 'a' }, { retry = { max_attempts = 100000, initial_backoff = 'soon' } }),
  gopiper.loadComponent('stdout_component.so', {}),
})
