local gopiper = require('gopiper')
local input, output = gopiper.loadComponent('stdin_component.so', {}), gopiper.loadComponent('stdout_component.so', {})
gopiper.createPipeline({ input, output })
gopiper.createPipeline({ input, output }, { name = 'again' })
