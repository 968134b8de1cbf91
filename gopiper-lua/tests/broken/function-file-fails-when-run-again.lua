local gopiper = require('gopiper')
local again = require('parts.again')
local input = gopiper.loadComponent('stdin_component.so', {})
if again then error('once is enough') end
gopiper.createPipeline({ input, function() end, gopiper.loadComponent('stdout_component.so', {}) })
