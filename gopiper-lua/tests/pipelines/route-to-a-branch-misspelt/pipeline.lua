local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.route(function(message)
    return message:find('404') and 'mising' or 'other'
  end, { missing = {}, other = {} }, { on_fail = 'discard' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
