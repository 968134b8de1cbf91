local gopiper = require('gopiper')
local load = gopiper.loadComponent
gopiper.createPipeline({ load 'stdin_component.so', load('grep_component.so', { word = true }), load 'stdout_component.so' })
