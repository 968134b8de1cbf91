local gopiper = require('gopiper')
local word = 'a'
if word = 'b' then word = 'c' end
