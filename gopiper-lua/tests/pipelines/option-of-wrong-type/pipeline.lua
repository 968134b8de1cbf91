local gopiper = require('gopiper')
gopiper.loadComponent('stdin_component.so', {}, { pool_size = '4' })
