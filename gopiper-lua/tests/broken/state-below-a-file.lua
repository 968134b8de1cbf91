-- arguments: --state-dir state-below-a-file.lua/state
local gopiper = require('gopiper')
for _, name in ipairs({ 'first', 'second' }) do
  gopiper.createPipeline({
    gopiper.loadComponent('generate_component.so', {}, { on_fail = 'stop' }),
    gopiper.buffer({}),
    gopiper.loadComponent('null_component.so', {}, { on_fail = 'stop' }),
  }, { name = name })
end
