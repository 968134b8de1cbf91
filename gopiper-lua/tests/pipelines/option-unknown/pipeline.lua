local gopiper = require('gopiper')
gopiper.loadComponent('stdin_component.so', {}, { poolsize = 4 })
