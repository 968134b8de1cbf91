-- Differences from plain Lua in the operator's file: `print` writes to the log, and while the file
-- itself runs, the keys of a table come in the same order in each state, so that each state creates
-- the same functions.
local log, make_text = ...
local next, pairs, rawget, select, tostring, type, unpack = next, pairs, rawget, select, tostring, type, unpack
local concat, sort, format, gmatch, write = table.concat, table.sort, string.format, string.gmatch, io.write
local error, assert, getmetatable = error, assert, getmetatable
local as_text = make_text()
local has_ended = false

-- Conversions of numbers to text lose no digits (except for `..`, which belongs to the language).
function _G.tostring(what) return as_text(what) or tostring(what) end

-- Which arguments of a format are written as text, or false if none is; for the latest formats.
local texts_of, seen = {}, 0
local function texts(of)
  if type(of) ~= 'string' then return false end
  local found, place, any = {}, 0, false
  for kind in gmatch(of, '%%[-+ #0]*%d*%.?%d*([%a%%])') do
    if kind ~= '%' then
      place = place + 1
      found[place] = kind == 's'
      any = any or kind == 's'
    end
  end
  if seen == 1000 then texts_of, seen = {}, 0 end
  seen = seen + 1
  texts_of[of] = any and found
  return any and found
end

function string.format(of, ...)
  local places = of and texts_of[of]
  if places == nil then places = texts(of) end
  if not places then return format(of, ...) end
  local count = select('#', ...)
  if count > 4 then
    local given = { ... }
    for i = 1, count do
      if places[i] then given[i] = as_text(given[i]) or given[i] end
    end
    return format(of, unpack(given, 1, count))
  end
  -- Without a table, so that it is compiled.
  local a, b, c, d = ...
  if places[1] then a = as_text(a) or a end
  if places[2] then b = as_text(b) or b end
  if places[3] then c = as_text(c) or c end
  if places[4] then d = as_text(d) or d end
  if count == 1 then return format(of, a) end
  if count == 2 then return format(of, a, b) end
  if count == 3 then return format(of, a, b, c) end
  if count == 4 then return format(of, a, b, c, d) end
  return format(of)
end

function table.concat(list, separator, from, to)
  if type(list) ~= 'table' then return concat(list, separator, from, to) end
  from, to = from or 1, to or #list
  if type(from) ~= 'number' or type(to) ~= 'number' then return concat(list, separator, from, to) end
  local texts
  for i = from, to do
    local item = rawget(list, i)
    if type(item) ~= 'string' then
      local text = as_text(item)
      -- The error for an argument that is not text comes below.
      if not text then break end
      if not texts then
        texts = {}
        for at = from, i - 1 do texts[at] = rawget(list, at) end
      end
      item = text
    end
    if texts then texts[i] = item end
  end
  return concat(texts or list, separator, from, to)
end

local function in_text(...)
  local given, count = { ... }, select('#', ...)
  for i = 1, count do given[i] = as_text(given[i]) or given[i] end
  return unpack(given, 1, count)
end

function io.write(...) return write(in_text(...)) end

-- For every file.
local files = getmetatable(io.stdout).__index
local write_to = files.write
function files.write(file, ...) return write_to(file, in_text(...)) end

-- A number that is raised becomes text, with the place before it.
function _G.error(what, level)
  if type(what) == 'number' and level ~= 0 then what = as_text(what) end
  if level == nil then return error(what) end
  return error(what, level)
end

function _G.assert(...)
  local holds, what = ...
  if not holds and type(what) == 'number' then return assert(holds, as_text(what)) end
  return assert(...)
end

function _G.print(...)
  local texts, count = { ... }, select('#', ...)
  for i = 1, count do texts[i] = _G.tostring(texts[i]) end
  log(concat(texts, '\t', 1, count), has_ended)
end

-- It would end all pipelines silently, with messages under way.
function os.exit()
  error('os.exit is not allowed in pipelines: return gopiper.FAIL, or set on_fail = \'stop\'', 2)
end

-- Numbers come before strings. Keys without an order have one in this state only.
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

-- Without a closure: LuaJIT does not compile a function that creates one.
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
