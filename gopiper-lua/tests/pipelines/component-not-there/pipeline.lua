local gopiper = require('gopiper')

gopiper.loadComponent('gerp_component.so', {})
