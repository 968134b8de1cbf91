local gopiper = require('gopiper')
local word = gopiper.env('NO_SUCH_WORD')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', { delimeter = '\n' }),
  gopiper.loadComponent('gerp_component.so', { word = word }, { name = 'a' }),
  gopiper.loadComponent('grep_component.so', { word = word, invert = 1 }, { name = 'a', pool_size = 0 }),
  gopiper.bufer({ max_bytes = 1 }),
  gopiper.loadComponent('pass_component.so', {}),
}, { nmae = 'all' })
local broken = nothing.at_all
