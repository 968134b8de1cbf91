-- A message and its attributes, as the operator's function sees them.
local prelude = ...
local ffi = require('ffi')
local ffi_string = ffi.string
local next, type, error, tostring, tonumber = next, type, error, tostring, tonumber
local istype, message_type = ffi.istype, ffi.typeof('gopiper_message')
local s, value, given, answer, take = prelude.state, prelude.value, prelude.given, prelude.answer, prelude.take
local wants_string, problem, meant, a = prelude.wants_string, prelude.problem, prelude.meant, prelude.a
local position, range, nanoseconds, as_text, no_room =
  prelude.position, prelude.range, prelude.nanoseconds, prelude.as_text, prelude.no_room
-- Loaded once: a call through a field of a struct looks it up each time.
local find, set_data, append, crop = s.find, s.set_data, s.append, s.crop
local set_time, emit, get, set, get_all = s.set_time, s.emit, s.get, s.set, s.get_all
local get_value, set_value = s.get_value, s.set_value
local json, decode, add_json, set_json, id = s.json, s.decode, s.add_json, s.set_json, s.id

-- The current message; invalid when its function has returned. The object that a function gets
-- contains no slot, because the function could overwrite it.
local function slot_of(message)
  local slot = s._slot
  if not istype(message_type, message) then
    error('a method of a message is called with a colon: message:find(…)', 3)
  end
  if slot == nil then error('a message is used after its function has returned', 3) end
  return slot
end

local methods = {}

-- Returns where a word begins and ends, from `init` on; nil if it does not occur. Not a pattern.
function methods.find(message, word, init)
  local slot = slot_of(message)
  if type(word) ~= 'string' then wants_string('find', word) end
  local from = init and position('find', tonumber(slot._len), init) or 0
  local at = tonumber(find(s, slot, from, word, #word))
  if at < 0 then return nil end
  return at + 1, at + #word
end

-- Sends a message with these bytes in this one's place, with its present attributes.
function methods.emit(message, bytes)
  local slot = slot_of(message)
  if type(bytes) ~= 'string' then bytes = as_text(bytes) or wants_string('emit', bytes) end
  if emit(s, slot, bytes, #bytes) == 0 then return no_room() end
end

-- Returns a part of its bytes, as a string.
function methods.sub(message, from, to)
  local slot = slot_of(message)
  local start, len = range('sub', tonumber(slot._len), from, to)
  if len == 0 then return '' end
  return ffi_string(slot._data + (start - 1), len)
end

-- Reduces it to a part of its bytes, without copying any.
function methods.crop(message, from, to)
  local slot = slot_of(message)
  local start, len = range('crop', tonumber(slot._len), from, to)
  crop(s, slot, start - 1, len)
end

-- Adds bytes at its end.
function methods.append(message, bytes)
  local slot = slot_of(message)
  if type(bytes) ~= 'string' then bytes = as_text(bytes) or wants_string('append', bytes) end
  if append(s, slot, bytes, #bytes) == 0 then return no_room() end
end

-- Returns its identity, the same in each attempt and after each restart; nil if it has none.
function methods.id(message)
  id(s, slot_of(message), value)
  local found, wrong = given()
  if wrong then error("the message's id" .. wrong, 2) end
  return found
end

-- Returns a field of a JSON message: 'status', 'user.name', 'items.0', or a JSON Pointer: '/a.b/c'.
-- nil if it is missing or null; nil and a text if the message is not JSON; an object or a list as
-- its text.
function methods.json(message, path)
  local slot = slot_of(message)
  if type(path) ~= 'string' then wants_string('json', path) end
  json(s, slot, path, #path, value)
  return answer('the JSON')
end

-- The same, but an object or a list as a table; the whole message without a path.
function methods.decode(message, path)
  local slot = slot_of(message)
  if path ~= nil and type(path) ~= 'string' then wants_string('decode', path) end
  decode(s, slot, path, path and #path or 0, value)
  return answer('the JSON')
end

-- Sets a field of a JSON message: `add_json` at the end of the object, without a check; `set_json`
-- in place of an existing field, or at the end of its object if the field is missing.
for name, put in next, { add_json = add_json, set_json = set_json } do
  methods[name] = function(message, path, what)
    local slot = slot_of(message)
    if type(path) ~= 'string' then wants_string(name, path) end
    local wrong = take(what)
    if not wrong and put(s, slot, path, #path, value) == 0 then wrong = problem() end
    if wrong then error("the field '" .. path .. "'" .. wrong, 2) end
  end
end

local message, attributes = ffi.new('gopiper_message'), ffi.new('gopiper_attributes')
local settable = { 'data', 'time', 'value' }
local names = { 'data', 'time', 'value', 'attributes', 'attempts' }
for name in next, methods do names[#names + 1] = name end
local names_of = {}
for _, name in next, names do names_of[name] = true end

ffi.metatype('gopiper_message', {
  __index = function(message, key)
    local method = methods[key]
    if method then return method end
    local slot = slot_of(message)
    if key == 'data' then return ffi_string(slot._data, slot._len) end
    if key == 'attributes' then return attributes end
    if key == 'time' then return slot._time end
    if key == 'attempts' then return tonumber(slot._attempts) end
    if key == 'value' then
      get_value(s, slot, value)
      local found, wrong = given()
      if wrong then error("the message's value" .. wrong, 2) end
      return found
    end
    error("a message has no '" .. tostring(key) .. "'" .. meant(key, names), 2)
  end,
  __newindex = function(message, key, what)
    local slot = slot_of(message)
    if key == 'data' then
      if type(what) ~= 'string' then what = as_text(what) or wants_string('data', what) end
      if set_data(s, slot, what, #what) == 0 then return no_room() end
      return
    end
    if key == 'time' then return set_time(s, slot, nanoseconds("a message's time", what, 3)) end
    if key == 'value' then
      local wrong = take(what)
      if not wrong and set_value(s, slot, value) == 0 then wrong = problem() end
      if wrong then error("the message's value" .. wrong, 2) end
      return
    end
    local known = names_of[key]
    error("a message's '" .. tostring(key) .. "' cannot be set" ..
      (key == 'attributes' and ": message.attributes.NAME can" or not known and meant(key, settable) or ''), 2)
  end,
  __len = function(message) return tonumber(slot_of(message)._len) end,
})

ffi.metatype('gopiper_attributes', {
  __index = function(_, key)
    local slot = slot_of(message)
    if type(key) ~= 'string' then wants_string('an attribute', key) end
    get(s, slot, key, #key, value)
    local found, wrong = given()
    if wrong then error("attribute '" .. key .. "'" .. wrong, 2) end
    return found
  end,
  __newindex = function(_, key, what)
    local slot = slot_of(message)
    if type(key) ~= 'string' then wants_string('an attribute', key) end
    local wrong = take(what)
    if not wrong and set(s, slot, key, #key, value) == 0 then wrong = problem() end
    if wrong then error("attribute '" .. key .. "'" .. wrong, 2) end
  end,
  -- Goes through a copy of all attributes.
  __pairs = function()
    get_all(s, slot_of(message), value)
    local found, wrong = given()
    if wrong then error('an attribute' .. wrong, 2) end
    return next, found
  end,
})

prelude.message = message
