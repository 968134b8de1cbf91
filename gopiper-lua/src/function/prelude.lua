-- Makes what goes over a batch with the operator's function. Runs in each worker's state, before the
-- pipeline's file does: what it takes from `ffi` is all that is left of that.
local state = ...
local ffi = require('ffi')
ffi.cdef [[
typedef struct {
  const char *_data; size_t _len; const void *_owner;
  const void *_extra; const void *_delivery; uint32_t _index; int32_t _status;
  int64_t _time; uint16_t _attempts; uint8_t _tail, _flags; uint32_t _reserved;
} gopiper_slot;
typedef struct { gopiper_slot *messages; uint32_t len, capacity, cursor, holds; } gopiper_batch;
typedef struct { int32_t tag; int64_t integer; double number; const char *data; size_t len; } gopiper_value;
typedef struct {
  uint32_t at;
  int32_t stopped;
  uint32_t condemned;
  int32_t changed;
  int32_t emitted;
  ptrdiff_t (*find)(void *, const gopiper_slot *, size_t, const char *, size_t);
  void (*set_data)(void *, gopiper_slot *, const char *, size_t);
  void (*append)(void *, gopiper_slot *, const char *, size_t);
  void (*crop)(void *, gopiper_slot *, size_t, size_t);
  void (*set_time)(void *, gopiper_slot *, int64_t);
  void (*get)(void *, const gopiper_slot *, const char *, size_t, gopiper_value *);
  void (*set)(void *, gopiper_slot *, const char *, size_t, const gopiper_value *);
  void (*report)(void *, gopiper_slot *, int32_t, const char *, size_t);
  void (*json)(void *, const gopiper_slot *, const char *, size_t, gopiper_value *);
  int32_t (*add_json)(void *, gopiper_slot *, const char *, size_t, const gopiper_value *);
  void (*emit)(void *, const gopiper_slot *, const char *, size_t);
  void (*send)(void *, gopiper_slot *);
} gopiper_state;
typedef struct { gopiper_slot *_slot; } gopiper_message;
typedef struct { gopiper_message *_message; } gopiper_attributes;
]]
assert(ffi.sizeof('gopiper_slot') == 64)

local ffi_string, cast, istype = ffi.string, ffi.cast, ffi.istype
local type, error, tostring, tonumber, math_floor = type, error, tostring, tonumber, math.floor
local int64, uint64 = ffi.typeof('int64_t'), ffi.typeof('uint64_t')
local s = cast('gopiper_state *', state)
-- Loaded once: a field of a struct that is called is looked up each time.
local find, set_data, append, crop = s.find, s.set_data, s.append, s.crop
local set_time, get, set, report = s.set_time, s.get, s.set, s.report
local json, add_json, emit, send = s.json, s.add_json, s.emit, s.send
local value = ffi.new('gopiper_value')

local NULL, BOOL, I64, U64, F64, TIME, BYTES, STRING = 0, 1, 2, 3, 4, 5, 6, 7
-- Whole numbers up to this are exact in Lua.
local EXACT = 9007199254740992LL

-- The message of the moment; nothing behind it when its function has returned.
local function slot_of(message)
  local slot = message._slot
  if slot == nil then error('a message is used after its function has returned', 3) end
  return slot
end

local function wants_string(what, given)
  error(what .. ' wants a string, not ' .. (given == nil and 'nil' or 'a ' .. type(given)), 3)
end

-- What `value` holds, for Lua; nil for a list or a map.
local function given()
  local tag = value.tag
  if tag == STRING or tag == BYTES then return ffi_string(value.data, value.len) end
  if tag == F64 then return value.number end
  if tag == BOOL then return value.integer ~= 0 end
  local integer = value.integer
  if tag == I64 and integer >= -EXACT and integer <= EXACT then return tonumber(integer) end
  if tag == U64 then return cast(uint64, integer) end
  if tag == I64 or tag == TIME then return integer end
  return nil
end

-- Puts something of Lua's into `value`; false if it does not fit.
local function take(what)
  local kind = type(what)
  if kind == 'string' then
    value.tag, value.data, value.len = STRING, what, #what
  elseif kind == 'number' then
    if what == math_floor(what) and what >= -9007199254740992 and what <= 9007199254740992 then
      value.tag, value.integer = I64, what
    else
      value.tag, value.number = F64, what
    end
  elseif kind == 'boolean' then
    value.tag, value.integer = BOOL, what and 1 or 0
  elseif kind == 'nil' then
    value.tag = NULL
  elseif istype(uint64, what) then
    value.tag, value.integer = U64, cast(int64, what)
  elseif istype(int64, what) then
    value.tag, value.integer = I64, what
  else
    return false
  end
  return true
end

local methods = {}

-- Where a word begins, from `init` on; nil if it is not there. No pattern.
function methods.find(message, word, init)
  local slot = slot_of(message)
  if type(word) ~= 'string' then wants_string('find', word) end
  init = init or 1
  if init < 1 then init = 1 end
  local at = tonumber(find(s, slot, init - 1, word, #word))
  if at < 0 then return nil end
  return at + 1, at + #word
end

-- A message of these bytes in this one's place, with its attributes as they are now.
function methods.emit(message, bytes)
  local slot = slot_of(message)
  if type(bytes) ~= 'string' then wants_string('emit', bytes) end
  emit(s, slot, bytes, #bytes)
end

local function range(len, from, to)
  from, to = from or 1, to or -1
  if from < 0 then from = len + from + 1 end
  if to < 0 then to = len + to + 1 end
  if from < 1 then from = 1 end
  if to > len then to = len end
  return from, to < from and 0 or to - from + 1
end

-- A part of its bytes, as a string.
function methods.sub(message, from, to)
  local slot = slot_of(message)
  local start, len = range(tonumber(slot._len), from, to)
  if len == 0 then return '' end
  return ffi_string(slot._data + (start - 1), len)
end

-- Leaves a part of its bytes, without copying any.
function methods.crop(message, from, to)
  local slot = slot_of(message)
  local start, len = range(tonumber(slot._len), from, to)
  crop(s, slot, start - 1, len)
end

-- Puts bytes behind it.
function methods.append(message, bytes)
  local slot = slot_of(message)
  if type(bytes) == 'number' then bytes = tostring(bytes) end
  if type(bytes) ~= 'string' then wants_string('append', bytes) end
  append(s, slot, bytes, #bytes)
end

-- A field of the JSON that it is: 'status', 'user.name', 'items.0', or '/a.b/c' for keys with dots. nil if it
-- is not there, is null, or the message is no JSON; an object or a list as its text.
function methods.json(message, path)
  local slot = slot_of(message)
  if type(path) ~= 'string' then wants_string('json', path) end
  json(s, slot, path, #path, value)
  if value.tag == NULL then return nil end
  return given()
end

-- Puts a field at the end of the JSON object that it is.
function methods.add_json(message, key, what)
  local slot = slot_of(message)
  if type(key) ~= 'string' then wants_string('add_json', key) end
  if not take(what) then error("the field '" .. key .. "' can't be a " .. type(what), 2) end
  if add_json(s, slot, key, #key, value) == 0 then error('the message is no JSON object', 2) end
end

local attributes = ffi.new('gopiper_attributes')

ffi.metatype('gopiper_message', {
  __index = function(message, key)
    local method = methods[key]
    if method then return method end
    local slot = slot_of(message)
    if key == 'data' then return ffi_string(slot._data, slot._len) end
    if key == 'attributes' then return attributes end
    if key == 'time' then return slot._time end
    if key == 'attempts' then return tonumber(slot._attempts) end
    error("a message has no '" .. tostring(key) .. "'", 2)
  end,
  __newindex = function(message, key, given)
    local slot = slot_of(message)
    if key == 'data' then
      if type(given) ~= 'string' then wants_string('data', given) end
      return set_data(s, slot, given, #given)
    end
    if key == 'time' then return set_time(s, slot, given) end
    error("a message's '" .. tostring(key) .. "' can't be set", 2)
  end,
  __len = function(message) return tonumber(slot_of(message)._len) end,
})

ffi.metatype('gopiper_attributes', {
  __index = function(_, key)
    local slot = slot_of(attributes._message)
    if type(key) ~= 'string' then wants_string('an attribute', key) end
    get(s, slot, key, #key, value)
    if value.tag == NULL then return nil end
    local found = given()
    if found == nil then
      error("attribute '" .. key .. "' is a list or a map: a function can't read those", 2)
    end
    return found
  end,
  __newindex = function(_, key, what)
    local slot = slot_of(attributes._message)
    if type(key) ~= 'string' then wants_string('an attribute', key) end
    if not take(what) then error("attribute '" .. key .. "' can't be a " .. type(what), 2) end
    set(s, slot, key, #key, value)
  end,
})

local message = ffi.new('gopiper_message')
attributes._message = message
local batch_type = ffi.typeof('gopiper_batch *')
local pcall, xpcall, resume = pcall, xpcall, coroutine.resume

-- What catches errors must not catch that a function is stopped.
local function unless_stopped(well, problem, ...)
  if not well and s.stopped ~= 0 then error(problem, 0) end
  return well, problem, ...
end
function _G.pcall(...) return unless_stopped(pcall(...)) end
function _G.xpcall(...) return unless_stopped(xpcall(...)) end
function coroutine.resume(...) return unless_stopped(resume(...)) end

-- What a function has returned that is neither nothing nor gopiper.DROP alone.
local function other(slot, status, code, text)
  if status ~= 0 and status ~= 100 and status ~= 200 and status ~= 300 then
    error('a function returns nothing, gopiper.DONE, DROP, RETRY or FAIL, not ' ..
      (type(status) == 'number' and tostring(status) or 'a ' .. type(status)), 0)
  end
  if type(code) == 'string' and text == nil then code, text = 0, code end
  code, text = code or 0, text or ''
  if type(code) ~= 'number' or code < 0 or code > 99 then
    error('the code of a report is 0 to 99, not ' .. tostring(code), 0)
  end
  text = tostring(text)
  if status == 0 and s.emitted ~= 0 then return send(s, slot) end
  report(s, slot, status == 0 and 0 or status + code, text, #text)
end

return function(user)
  local function loop(batch, from, to)
    local messages = batch.messages
    for i = from, to - 1 do
      s.at = i
      -- What is sent now takes the place of this one.
      batch.cursor = i
      local slot = messages + i
      message._slot = slot
      local status, code, text = user(message)
      if status == nil and s.emitted == 0 then
        slot._status = 0
        s.changed = 0
      elseif status == 300 and code == nil and s.changed == 0 and s.emitted == 0 then
        slot._status = 300
      else
        other(slot, status or 0, code, text)
      end
    end
  end
  return function(batch)
    batch = cast(batch_type, batch)
    local first, len = batch.cursor, batch.len
    local i = first
    while i < len do
      local well, problem = pcall(loop, batch, i, len)
      if well then break end
      i = s.at
      s.stopped = 0
      local text = tostring(problem)
      report(s, batch.messages + i, 200, text, #text)
      i = i + 1
    end
    message._slot = nil
    batch.cursor = first
  end
end
