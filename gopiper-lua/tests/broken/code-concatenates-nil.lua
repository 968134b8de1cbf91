local gopiper = require('gopiper')
local name = 'word: ' .. words
