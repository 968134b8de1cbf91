local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('json_component.so', { drop = { 'secret' } }),
  gopiper.loadComponent('json_component.so', { rename = { ['user.name'] = 'login' } }),
  gopiper.loadComponent('json_component.so', { parse = true, on_error = 'drop' }, { pool_size = 3 }),
  gopiper.loadComponent('filter_component.so', { condition = 'value.id > 1' }),
  gopiper.loadComponent('json_component.so', { format = true }),
  gopiper.loadComponent('stdout_component.so', {}),
})
