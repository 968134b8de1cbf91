local gopiper = require('gopiper')
error('not today', 0)
