local gopiper = require('gopiper')
gopiper.transform(function() end, { flush = function() end })
