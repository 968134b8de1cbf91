local gopiper = require('gopiper')

gopiper.loadComponent('./pipeline.lua', {})
