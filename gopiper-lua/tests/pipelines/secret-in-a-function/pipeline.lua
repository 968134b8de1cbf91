local gopiper = require('gopiper')
local token = 'Bearer ' .. gopiper.secret{ file = 'token' }
local set = {
  attribute = function(message) message.attributes.a = token end,
  nested = function(message) message.attributes.a = { list = { 1, token } } end,
  data = function(message) message.data = token .. '!' end,
  value = function(message) message.value = token end,
  json = function(message) message:add_json('a', token) end,
  append = function(message) message:append(token) end,
}
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.transform(function(message) set[message.data](message) end, { on_fail = 'discard' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
