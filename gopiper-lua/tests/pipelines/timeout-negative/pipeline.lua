local gopiper = require('gopiper')
gopiper.loadComponent('faults_component.so', {}, { timeout = -1 })
