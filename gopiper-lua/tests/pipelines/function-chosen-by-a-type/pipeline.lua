-- The values of gopiper have the same type wherever the file runs, and do the same.
local gopiper = require('gopiper')
local input = gopiper.loadComponent('stdin_component.so', {})
local token = gopiper.secret{ file = 'token' }
local made = { input, token, gopiper.buffer(), gopiper.transform(function() end), gopiper.tee({}, {}) }

local first = not pcall(function() return token .. {} end) and token .. 1 ~= token .. 1
for _, one in ipairs(made) do
  first = first and type(one) == 'userdata' and not pcall(function() return one.name end)
end
gopiper.createPipeline({
  input,
  first and function(message) message:append(' first') end or nil,
  function(message) message:append(' second') end,
  gopiper.loadComponent('stdout_component.so', {}),
})
