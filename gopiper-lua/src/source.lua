-- What is otherwise than in plain Lua in the operator's file: `print` writes to the log, and while the file itself
-- runs the keys of a table come in the same order in each state: so that each makes the same functions.
local log = ...
local next, pairs, rawget, select, tostring, type = next, pairs, rawget, select, tostring, type
local concat, sort, format = table.concat, table.sort, string.format
local has_ended = false

function _G.print(...)
  local texts, count = { ... }, select('#', ...)
  for i = 1, count do texts[i] = tostring(texts[i]) end
  log(concat(texts, '\t', 1, count), has_ended)
end

-- It would end all pipelines, with messages under way, and without a word.
function os.exit()
  error('os.exit is not for pipelines: return gopiper.FAIL, or set on_fail to stop', 2)
end

-- Numbers come before strings. What has no order of its own has one in this state alone.
local function before(one, other)
  local kind, kind_of_other = type(one), type(other)
  if kind ~= kind_of_other then return kind < kind_of_other end
  if kind == 'number' or kind == 'string' then return one < other end
  if kind == 'boolean' then return other and not one end
  return format('%p', one) < format('%p', other)
end

local function in_order(of)
  local keys, at = {}, 0
  for key in next, of do keys[#keys + 1] = key end
  sort(keys, before)
  return function()
    local value
    repeat
      at = at + 1
      value = rawget(of, keys[at])
    until value ~= nil or keys[at] == nil
    return keys[at], value
  end
end

-- Without a function in it: LuaJIT does not compile what has one.
function _G.pairs(of)
  if has_ended or type(of) ~= 'table' then return pairs(of) end
  return in_order(of)
end

function _G.next(of, after)
  if has_ended or type(of) ~= 'table' then return next(of, after) end
  local first
  for key in next, of do
    if (after == nil or before(after, key)) and (first == nil or before(key, first)) then first = key end
  end
  return first, rawget(of, first)
end

function table.foreach(of, what)
  for key, value in _G.pairs(of) do
    local result = what(key, value)
    if result ~= nil then return result end
  end
end

return function() has_ended = true end
