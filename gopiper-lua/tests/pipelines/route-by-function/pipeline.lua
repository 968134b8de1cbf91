-- Each branch adds its name; the last one is a pipeline of its own, the others come together again.
local gopiper = require('gopiper')

local function says(word)
  return function(message) message.data = word .. ' ' .. message.data end
end

gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.route(function(message)
    if message:find('drop') then return gopiper.DROP end
    local number = tonumber(message.data)
    if not number then return nil end
    message:append(number % 2 == 0 and ' is even' or ' is odd')
    return number % 2 == 0 and 'even' or 'odd'
  end, {
    default = { says('default') },
    even = { gopiper.tee({ says('even') }, { gopiper.loadComponent('null_component.so', {}) }) },
    odd = { says('odd') },
  }, { name = 'parity' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
