local gopiper = require('gopiper')
gopiper.transform(function() end, { every = 1, flush = 'often' })
