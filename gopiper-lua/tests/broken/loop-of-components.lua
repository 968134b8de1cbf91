local gopiper = require('gopiper')
local components = { gopiper.loadComponent('stdin_component.so', {}) }
for _, word in ipairs({ 'a', 5, 'c' }) do
  components[#components + 1] = gopiper.loadComponent('grep_component.so', { word = word })
end
components[#components + 1] = gopiper.loadComponent('stdout_component.so', {})
gopiper.createPipeline(components)
