local gopiper = require('gopiper')
gopiper.transform(function() end, { workers = 3 })
