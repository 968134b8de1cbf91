local gopiper = require('gopiper')
local input = gopiper.loadComponent('stdin_component.so', {})
if type(input) ~= 'userdata' then error('once is enough') end
gopiper.createPipeline({ input, function() end, gopiper.loadComponent('stdout_component.so', {}) })
