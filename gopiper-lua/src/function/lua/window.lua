-- The window of a function with the options `every` and `flush`.
local prelude = ...
local type, error, next, tostring = type, error, next, tostring
local s, value, take = prelude.state, prelude.value, prelude.take
local wants_string, problem, meant, a = prelude.wants_string, prelude.problem, prelude.meant, prelude.a
local as_text, nanoseconds, no_room = prelude.as_text, prelude.nanoseconds, prelude.no_room
local window_emit, window_drop = s.window_emit, s.window_drop

local window = {}
local NONE = {}
local known = { key = true, attributes = true, time = true }

local function called_on(self, name)
  if self ~= window then error('a method of a window is called with a colon: window:' .. name .. '(…)', 3) end
end

-- Sends a message with these bytes, made from messages that are kept under a key.
function window:emit(bytes, options)
  called_on(self, 'emit')
  if type(bytes) ~= 'string' then bytes = as_text(bytes) or wants_string('window:emit', bytes) end
  options = options or NONE
  if type(options) ~= 'table' then error("window:emit's options cannot be " .. a(options), 2) end
  for name in next, options do
    if not known[name] then
      error("window:emit has no option '" .. tostring(name) .. "'; there are key, attributes, time", 2)
    end
  end
  local key, attributes = options.key or '', options.attributes
  if type(key) ~= 'string' then key = as_text(key) or wants_string('the key', key) end
  if attributes ~= nil and type(attributes) ~= 'table' then
    error("the attributes cannot be " .. a(attributes), 2)
  end
  local time = nanoseconds('the time', options.time or 0, 3)
  local wrong = take(attributes)
  if not wrong and window_emit(s, bytes, #bytes, key, #key, time, value) == 0 then
    wrong = problem()
  end
  if wrong then error('attributes' .. wrong, 2) end
end

-- Drops the messages that are kept under a key.
function window:drop(key)
  called_on(self, 'drop')
  key = key or ''
  if type(key) ~= 'string' then key = as_text(key) or wants_string('window:drop', key) end
  if window_drop(s, key, #key) == 0 then return no_room() end
end

prelude.window = setmetatable(window, {
  __index = function(_, name)
    error("a window has no '" .. tostring(name) .. "'" .. meant(name, { 'emit', 'drop' }), 2)
  end,
})
