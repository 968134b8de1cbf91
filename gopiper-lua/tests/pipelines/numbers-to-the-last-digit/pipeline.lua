local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  function(message)
    local _, raised = pcall(function() error(100000000000001) end)
    local _, asserted = pcall(function() assert(false, 100000000000001) end)
    io.stdout:write(1e15, ' ', 9007199254740993LL, '\n')
    io.stdout:flush()
    message:set_json('a', message:json('a'))
    message:emit(message.data)
    message:emit(raised)
    message:emit(asserted)
  end,
  gopiper.loadComponent('stdout_component.so', {}),
})
