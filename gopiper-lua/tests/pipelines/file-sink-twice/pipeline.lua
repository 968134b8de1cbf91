local gopiper = require('gopiper')
for _, name in ipairs({ 'first', 'second' }) do
  gopiper.createPipeline({
    gopiper.loadComponent('generate_component.so', { count = 1 }),
    gopiper.loadComponent('file_sink_component.so', { path = 'out' }),
  }, { name = name })
end
