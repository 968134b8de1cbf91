local gopiper = require('gopiper')
local parts = require('parts.fails')
