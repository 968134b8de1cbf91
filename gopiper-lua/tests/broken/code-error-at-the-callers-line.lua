local gopiper = require('gopiper')
local function need(what)
  error('there is no ' .. what, 2)
end

need('bread')
