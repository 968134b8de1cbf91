local gopiper = require('gopiper')
local list = {}
for i = 1, 65 do
  list = { gopiper.tee(list) }
end
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  list[1],
  gopiper.loadComponent('stdout_component.so', {}),
})
