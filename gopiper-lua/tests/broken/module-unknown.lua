local gopiper = require('go-piper')
