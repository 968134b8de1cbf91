local gopiper = require('gopiper')
local function need(condition, what)
  if not condition then error('there is no ' .. what) end
end

need(true, 'water')
need(false, 'bread')
