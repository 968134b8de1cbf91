local gopiper = require('gopiper')

local parts = {}

function parts.grep()
  local grep = gopiper.loadComponent('grep_component.so', { wrd = 'a' })
  return grep
end

return parts
