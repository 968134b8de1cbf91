local gopiper = require('gopiper')
gopiper.loadComponent('stdin_component.so', {}, { retry = { initial_backoff = 'soon' } })
