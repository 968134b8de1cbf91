local gopiper = require('gopiper')
local settings = {}
print(settings.input.path)
