local gopiper = require('gopiper')
local stdin, stdout = gopiper.loadComponent('stdin_component.so', {}), gopiper.loadComponent('stdout_component.so', {})
gopiper.createPipeline({ stdin, stdout })
gopiper.createPipeline({ stdin, stdout }, { name = 'again' })
