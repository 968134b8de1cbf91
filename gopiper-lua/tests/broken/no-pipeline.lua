local gopiper = require('gopiper')

