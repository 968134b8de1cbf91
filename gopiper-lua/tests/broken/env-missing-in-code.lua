local gopiper = require('gopiper')
local count = string.rep('x', gopiper.env('NO_SUCH_COUNT'))
gopiper.createPipeline({ count })
