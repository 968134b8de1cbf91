local gopiper = require('gopiper')
gopiper.createPipeline()
