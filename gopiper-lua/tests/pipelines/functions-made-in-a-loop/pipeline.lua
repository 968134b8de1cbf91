-- A table's keys come in the same order in each run: so each worker has the right function.
local gopiper = require('gopiper')
local components = { gopiper.loadComponent('stdin_component.so', {}) }
local function add(word)
  components[#components + 1] = function(message) message:append(' ' .. tostring(word)) end
end

local words = { 'one', 'two', e = 1, d = 2, c = 3, b = 4, a = 5, [true] = 6, [false] = 7, [2.5] = 8 }
for word in pairs(words) do
  words[word] = nil
  add(word)
end
local set = { h = true, g = true, f = true }
for word in next, set do add(word) end
table.foreach({ l = 1, k = 1, j = 1, i = 1 }, add)

components[#components + 1] = gopiper.loadComponent('stdout_component.so', {})
gopiper.createPipeline(components)
