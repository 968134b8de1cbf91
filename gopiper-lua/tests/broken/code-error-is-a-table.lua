local gopiper = require('gopiper')
local function stop()
  error({ code = 7 })
end
stop()
