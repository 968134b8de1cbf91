local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  function(message)
    message:append(message.attributes.not_there)
  end,
  gopiper.loadComponent('stdout_component.so', {}),
})
