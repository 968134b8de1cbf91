gopiper.createPipeline({})
