local gopiper = require('gopiper')
local function attributes(word)
  return { [word] = 'a' }
end
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.loadComponent('grep_component.so', attributes('wort')),
  gopiper.loadComponent('stdout_component.so', {}),
})
