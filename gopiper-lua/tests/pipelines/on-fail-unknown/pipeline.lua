local gopiper = require('gopiper')
gopiper.loadComponent('stdin_component.so', {}, { on_fail = 'explode' })
