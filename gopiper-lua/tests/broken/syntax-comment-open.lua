local gopiper = require('gopiper')
--[[ Words.
local word = 'a'
