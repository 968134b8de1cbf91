local gopiper = require('gopiper')
gopiper.buffer({ max_byte = 1 })
