local gopiper = require('gopiper')
local grep = gopiper.loadComponent('grep_component.so', { wrod = 'a' })
