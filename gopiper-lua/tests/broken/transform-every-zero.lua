local gopiper = require('gopiper')
gopiper.transform(function() end, { every = 0, flush = function() end })
