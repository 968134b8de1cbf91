local gopiper = require('gopiper')
local list = {}
for i = 1, 40 do
  list = { gopiper.tee({}, list) }
  list = { gopiper.route({}, { default = list }) }
end
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  list[1],
  gopiper.loadComponent('stdout_component.so', {}),
})
