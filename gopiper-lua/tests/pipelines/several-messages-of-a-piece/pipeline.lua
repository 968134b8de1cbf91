local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', { max_length = 3 }),
  function(message)
    if message:find('one') then return message:emit('ONE') end
    if message:find('two') then
      message:emit('1')
      message:emit('2')
    end
  end,
  gopiper.loadComponent('stdout_component.so', {}),
})
