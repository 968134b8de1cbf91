local gopiper = require('gopiper')
local again = require('parts.again')
local function one() end
local function other() end
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.transform(again and other or one),
  gopiper.loadComponent('stdout_component.so', {}),
})
