local gopiper = require('gopiper')
local word = gopiper.env('NO_SUCH_VARIABLE')
