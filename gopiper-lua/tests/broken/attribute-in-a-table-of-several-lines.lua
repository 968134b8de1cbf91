local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', {
    -- The word.
    word = 'a',
    ["inverted"] = true,
  }, {
    pool_size = 2,
    retry = {
      max_attempts = 3,
      max_backof = 1,
    },
  }),
  gopiper.loadComponent('stdout_component.so', {}),
})
