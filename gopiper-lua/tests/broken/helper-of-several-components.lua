local gopiper = require('gopiper')
local function grep(word)
  local component = gopiper.loadComponent('grep_component.so', { word = word })
  return component
end

gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  grep('a'),
  grep(5),
  gopiper.loadComponent('stdout_component.so', {}),
})
