local gopiper = require('gopiper')
local words = require('parts.wrods')
