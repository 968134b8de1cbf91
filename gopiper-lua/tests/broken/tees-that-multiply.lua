local gopiper = require('gopiper')
local list = { gopiper.loadComponent('stdin_component.so', {}) }
for i = 1, 10 do
  list[#list + 1] = gopiper.tee({}, {})
end
list[#list + 1] = gopiper.loadComponent('stdout_component.so', {})
gopiper.createPipeline(list)
