local gopiper = require('gopiper')
assert(io.open('no/such/file'))
