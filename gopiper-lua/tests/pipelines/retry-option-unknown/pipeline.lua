local gopiper = require('gopiper')
gopiper.loadComponent('stdin_component.so', {}, { retry = { attempts = 3 } })
