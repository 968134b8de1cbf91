-- Values between Lua and Rust: one word, or bytes; a table in LuaJIT's serialized form.
local prelude = ...
local ffi = require('ffi')
local buffer = require('string.buffer')
ffi.cdef(prelude.types)
assert(ffi.sizeof('gopiper_slot') == 64)

local as_text = prelude.as_text
local ffi_string, cast, istype = ffi.string, ffi.cast, ffi.istype
-- Marks a table as a list: the only metatable that is passed.
local list = prelude.list
local coded = buffer.new({ metatable = { list } })
-- Encoding raises errors, and must not do so in compiled code (`state/code.rs`). Decoded bytes were
-- written by Rust, and are correct.
local encode, decode, tried = coded.encode, coded.decode, prelude.tried
local type, error, pcall, tonumber, math_floor = type, error, pcall, tonumber, math.floor
local next, tostring = next, tostring
local int64, uint64 = ffi.typeof('int64_t'), ffi.typeof('uint64_t')
local value, null = ffi.new('gopiper_value'), prelude.null

local ABSENT, PROBLEM, UNREADABLE = -1, -2, -3
local NULL, BOOL, I64, U64, F64, TIME, BYTES, STRING, TABLE = 0, 1, 2, 3, 4, 5, 6, 7, 8
-- Whole numbers up to this are exact in Lua.
local EXACT = 9007199254740992LL

-- The contents of `value` for Lua; nil and a text if they are not available.
local function given()
  local tag = value.tag
  if tag == ABSENT then return nil end
  if tag == STRING or tag == BYTES then return ffi_string(value.data, value.len) end
  if tag == F64 then return value.number end
  if tag == BOOL then return value.integer ~= 0 end
  local integer = value.integer
  if tag == I64 and integer >= -EXACT and integer <= EXACT then return tonumber(integer) end
  if tag == U64 then return cast(uint64, integer) end
  if tag == I64 or tag == TIME then return integer end
  if tag == NULL then return null end
  if tag == PROBLEM or tag == UNREADABLE then return nil, ffi_string(value.data, value.len) end
  local well, made = pcall(decode, coded:reset():set(value.data, value.len))
  if well then return made end
  return nil, ': ' .. made
end

-- The result from JSON; nil and a text if the message is not JSON. Any other problem is an error in
-- `what`. (A tail call: it replaces its caller.)
local function answer(what)
  if value.tag == PROBLEM then error(what .. ffi_string(value.data, value.len), 2) end
  local found, wrong = given()
  if wrong == nil then return found end
  -- Not a problem of the message: there is no memory for the table, say.
  if value.tag == TABLE then error(what .. wrong, 2) end
  return nil, wrong
end

-- The type of a value, with its article.
local function a(what)
  local kind = type(what)
  if what == nil then return 'nil' end
  if what == null then return 'gopiper.NULL' end
  if kind == 'userdata' and tostring(what) == '(secret)' then
    return 'a secret; only components can receive one'
  end
  if kind == 'userdata' then return 'a component' end
  if istype('gopiper_message', what) then return 'a message' end
  if istype(int64, what) or istype(uint64, what) then return tostring(what) end
  return 'a ' .. kind
end

-- There is no memory for a function's result. (A tail call: it replaces its caller.)
function prelude.no_room() error('not enough memory', 2) end

-- Finds a value in a table that no message can hold, and its path; `left` is the most values to
-- check.
local left
local function misplaced(what, path, depth)
  local kind = type(what)
  left = left - 1
  if kind == 'table' then
    if depth >= 64 then return ': nested deeper than 64 levels' end
    for key, item in next, what do
      if left < 0 then return nil end
      local step = type(key) == 'number' and '[' .. key .. ']' or '.' .. tostring(key)
      local found = misplaced(item, path .. step, depth + 1)
      if found then return found end
    end
  elseif kind == 'function' or kind == 'thread' or kind == 'userdata' and what ~= null then
    return path .. " cannot be " .. a(what)
  end
end

-- Puts a Lua value into `value`, or returns the error.
local function take(what)
  local kind = type(what)
  if kind == 'string' then
    value.tag, value.data, value.len = STRING, what, #what
  elseif kind == 'number' then
    if what == math_floor(what) and what >= -9007199254740992 and what <= 9007199254740992 and
      (what ~= 0 or 1 / what > 0) then
      value.tag, value.integer = I64, what
    else
      value.tag, value.number = F64, what
    end
  elseif kind == 'boolean' then
    value.tag, value.integer = BOOL, what and 1 or 0
  elseif kind == 'nil' then
    value.tag = ABSENT
  elseif kind == 'table' then
    local well, problem = tried(encode, coded:reset(), what)
    if not well then
      left = 100000
      return misplaced(what, '', 0) or ': ' .. problem
    end
    value.tag = TABLE
    -- They remain valid until the next table.
    value.data, value.len = coded:ref()
  elseif what == null then
    value.tag = NULL
  elseif istype(uint64, what) then
    value.tag, value.integer = U64, cast(int64, what)
  elseif istype(int64, what) then
    value.tag, value.integer = I64, what
  else
    return " cannot be " .. a(what)
  end
  return nil
end

-- Only this code checks numbers that are passed as another type: FFI converts any number to any
-- type.

local function no_number(what, found)
  local hint = type(found) == 'cdata' and ' (tonumber converts it)' or ''
  error(what .. ' wants a number, not ' .. (type(found) == 'number' and as_text(found) or a(found)) .. hint, 4)
end

-- How many of `len` bytes precede a position.
function prelude.position(what, len, init)
  if type(init) ~= 'number' or init ~= init then no_number(what, init) end
  return init < 1 and 0 or init > len and len + (init > len + 1 and 1 or 0) or math_floor(init) - 1
end

-- A range of `len` bytes in the way of string.sub: the first one's position, and their number.
function prelude.range(what, len, from, to)
  from, to = from or 1, to or -1
  if type(from) ~= 'number' or from ~= from then no_number(what, from) end
  if type(to) ~= 'number' or to ~= to then no_number(what, to) end
  if from < 0 then from = len + from + 1 end
  if to < 0 then to = len + to + 1 end
  if from < 1 then from = 1 end
  if to > len then to = len end
  if from > to then return 1, 0 end
  from, to = math_floor(from), math_floor(to)
  return from, to - from + 1
end

-- A time to set: whole, and within its range.
function prelude.nanoseconds(what, time, level)
  if istype(int64, time) then return time end
  if type(time) == 'number' and time == math_floor(time) and time >= -2 ^ 53 and time <= 2 ^ 53 then return time end
  if istype(uint64, time) and time <= 0x7fffffffffffffffULL then return time end
  error(what .. ' is a whole number of nanoseconds since 1970, up to 2^53 or an int64 (1LL), not ' ..
    (type(time) == 'number' and as_text(time) or a(time)), level)
end

function prelude.wants_string(what, found)
  error(what .. ' wants a string, not ' .. a(found), 3)
end

-- Rust's error for the value that was passed.
function prelude.problem() return ffi_string(value.data, value.len) end

prelude.value, prelude.given, prelude.answer, prelude.take, prelude.a = value, given, answer, take, a
local state = cast('gopiper_state *', prelude.pointer)
prelude.state = state
local progress = state.progress
prelude.progress = progress
function prelude.is_stopped() return progress.stopped ~= 0 end
