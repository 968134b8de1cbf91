local gopiper = require('gopiper')
for _ = 1, 2 do
  gopiper.createPipeline({
    gopiper.loadComponent('stdin_component.so', {}),
    gopiper.loadComponent('stdout_component.so', {}),
  }, { name = 'twin' })
end
