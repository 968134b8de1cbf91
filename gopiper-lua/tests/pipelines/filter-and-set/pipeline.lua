local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('filter_component.so', {
    condition = 'json.status >= 500 && !json.path.matches("^/health")',
    on_error = 'drop',
  }, { pool_size = 3 }),
  gopiper.loadComponent('set_component.so', {
    set = {
      ['json.class'] = 'string(json.status / 100) + "xx"',
      ['attributes.path'] = 'json.path',
      ['json.id'] = 'json.id + 1',
    },
  }, { pool_size = 3 }),
  function(message) message:append(' ' .. message.attributes.path) end,
  gopiper.loadComponent('stdout_component.so', {}),
})
