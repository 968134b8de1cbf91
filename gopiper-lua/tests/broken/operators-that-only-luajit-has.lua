local gopiper = require('gopiper')
local debug = os.getenv('DEBUG')
if debug != nil && debug != '' then print(debug) end
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', { wrd = 'a' }),
  gopiper.loadComponent('stdout_component.so', {}),
})
