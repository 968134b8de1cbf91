-- Values between Lua and Rust: one word, or bytes; a table as the bytes that LuaJIT makes of it and reads.
local prelude = ...
local ffi = require('ffi')
local buffer = require('string.buffer')
ffi.cdef(prelude.types)
assert(ffi.sizeof('gopiper_slot') == 64)

local ffi_string, cast, istype = ffi.string, ffi.cast, ffi.istype
-- What says of a table that it is a list: the only metatable that goes over.
local list = prelude.list
local coded = buffer.new({ metatable = { list } })
local function encode(what) return coded:reset():encode(what) end
local function decode(bytes, len) return coded:reset():set(bytes, len):decode() end
local type, error, pcall, tonumber, math_floor = type, error, pcall, tonumber, math.floor
local next, tostring = next, tostring
local int64, uint64 = ffi.typeof('int64_t'), ffi.typeof('uint64_t')
local value, null = ffi.new('gopiper_value'), prelude.null

local ABSENT, PROBLEM = -1, -2
local NULL, BOOL, I64, U64, F64, TIME, BYTES, STRING, TABLE = 0, 1, 2, 3, 4, 5, 6, 7, 8
-- Whole numbers up to this are exact in Lua.
local EXACT = 9007199254740992LL

-- What `value` holds, for Lua; nil and a text if that is not to be had.
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
  if tag == PROBLEM then return nil, ffi_string(value.data, value.len) end
  local well, made = pcall(decode, value.data, value.len)
  if well then return made end
  return nil, ': ' .. made
end

-- What something is, with its article.
local function a(what)
  local kind = type(what)
  if what == nil then return 'nil' end
  if what == null then return 'gopiper.NULL' end
  if kind == 'userdata' and tostring(what) == '(secret)' then
    return 'a secret: a secret is for components alone'
  end
  if istype('gopiper_message', what) then return 'a message' end
  return 'a ' .. kind
end

-- What in a table no message can hold, and where; no deeper than tables may lie in each other.
local function misplaced(what, path, depth)
  local kind = type(what)
  if kind == 'table' then
    if depth > 64 then return nil end
    for key, item in next, what do
      local step = type(key) == 'number' and '[' .. key .. ']' or '.' .. tostring(key)
      local found = misplaced(item, path .. step, depth + 1)
      if found then return found end
    end
  elseif kind == 'function' or kind == 'thread' or kind == 'userdata' and what ~= null then
    return path .. " can't be " .. a(what)
  end
end

-- Puts something of Lua's into `value`; else returns what is wrong with it.
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
    value.tag = ABSENT
  elseif kind == 'table' then
    local well, problem = pcall(encode, what)
    if not well then return misplaced(what, '', 0) or ': ' .. problem end
    value.tag = TABLE
    -- They lie there until the next table.
    value.data, value.len = coded:ref()
  elseif what == null then
    value.tag = NULL
  elseif istype(uint64, what) then
    value.tag, value.integer = U64, cast(int64, what)
  elseif istype(int64, what) then
    value.tag, value.integer = I64, what
  else
    return " can't be " .. a(what)
  end
  return nil
end

function prelude.wants_string(what, found)
  error(what .. ' wants a string, not ' .. a(found), 3)
end

-- What Rust has against what was taken.
function prelude.problem() return ffi_string(value.data, value.len) end

prelude.value, prelude.given, prelude.take, prelude.a = value, given, take, a
prelude.state = cast('gopiper_state *', prelude.pointer)
