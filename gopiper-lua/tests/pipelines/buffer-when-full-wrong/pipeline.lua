local gopiper = require('gopiper')
gopiper.buffer({ when_full = 'drop' })
