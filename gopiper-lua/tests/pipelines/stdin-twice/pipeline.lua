local gopiper = require('gopiper')
for _, name in ipairs({ 'first', 'second' }) do
  gopiper.createPipeline({
    gopiper.loadComponent('stdin_component.so', {}),
    gopiper.loadComponent('stdout_component.so', {}),
  }, { name = name })
end
