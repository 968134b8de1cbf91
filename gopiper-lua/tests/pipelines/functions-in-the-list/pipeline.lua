local gopiper = require('gopiper')

local slow = 1000
local function milliseconds(message) return tonumber(message.data:match('(%d+) ms')) end

gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  function(message)
    if not message:find(' GET ') then return gopiper.DROP end
    message.attributes.slow = milliseconds(message) >= slow
  end,
  gopiper.transform(function(message)
    if message.attributes.slow then message:append(' SLOW') end
  end, { name = 'mark', pool_size = 3 }),
  gopiper.loadComponent('stdout_component.so', {}),
})
