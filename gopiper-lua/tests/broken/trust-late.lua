local gopiper = require('gopiper')
local stdin = gopiper.loadComponent('stdin_component.so', {})
gopiper.trust({ unsigned = 'warn' })
gopiper.createPipeline({ stdin, gopiper.loadComponent('stdout_component.so', {}) })
