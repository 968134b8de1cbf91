local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.transform(function(message) return gopiper.CONTINUE end, {
    every = 3600,
    flush = function(window, ended)
      window:emit('not sent')
      error('broken')
    end,
  }),
  gopiper.loadComponent('stdout_component.so', {}),
})
