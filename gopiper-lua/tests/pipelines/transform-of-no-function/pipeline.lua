local gopiper = require('gopiper')
gopiper.transform('DROP', {})
