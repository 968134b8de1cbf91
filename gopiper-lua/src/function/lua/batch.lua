-- Creates the loop over a batch with the operator's function, and the function that flushes its
-- window.
local prelude = ...
local ffi = require('ffi')
local cast = ffi.cast
local type, error, tostring, next, getmetatable = type, error, tostring, next, getmetatable
local concat, sort, match, floor = table.concat, table.sort, string.match, math.floor
local s, message, window = prelude.state, prelude.message, prelude.window
local progress = prelude.progress
local placed, meant, a, as_text = prelude.placed, prelude.meant, prelude.a, prelude.as_text
local report, send, keep, begin_anew = s.report, s.send, s.keep, prelude.begin_anew
local batch_type = ffi.typeof('gopiper_batch *')
local pcall, collectgarbage, cut = prelude.pcall, collectgarbage, string.sub

-- The text of an error: the contents of a table without a text of its own. Without addresses: they
-- differ each time, and the log would treat each failure as a different reason. `left` is the most
-- fields that are shown.
local left
local function words(problem, depth)
  local kind = type(problem)
  if kind == 'function' or kind == 'thread' then return a(problem) end
  if kind ~= 'table' or (getmetatable(problem) or {}).__tostring then
    return as_text(problem) or tostring(problem)
  end
  if depth == 4 then return '{ ... }' end
  local fields = {}
  for key, field in next, problem do
    -- A table may contain itself many times, and nothing stops this here.
    left = left - 1
    if left < 0 then break end
    fields[#fields + 1] = words(key, depth + 1) .. ' = ' .. words(field, depth + 1)
  end
  if #fields == 0 then return '{}' end
  sort(fields)
  return '{ ' .. concat(fields, ', ', 1, #fields < 16 and #fields or 16) .. ' }'
end
local function in_words(problem)
  left = 1000
  local well, text = pcall(words, problem, 0)
  if well and type(text) == 'string' then return #text > 4000 and cut(text, 1, 4000) .. '...' or text end
  return "an error that cannot be shown: a " .. type(problem)
end

-- The function, and its position.
local subject
-- The allowed results.
local choices = 'it must return nothing, gopiper.DONE, CONTINUE, DROP, RETRY or FAIL'

-- Adds the path of the file that it names (without memory, Lua loses the position). If that is this
-- file, it names the function, which the operator knows.
local function said(problem)
  local text = placed(problem) or placed(in_words(problem))
  local own = match(text, '^gopiper:%d+: (.*)') or (text == 'not enough memory' or text == 'stack overflow') and text
  return own and subject .. ': ' .. own or text
end

-- The error for a wrong return value.
local function wrong(text) error(subject .. ' ' .. text, 0) end

-- Handles every return value except nothing and gopiper.DROP alone.
local function other(slot, windowed, status, code, text)
  if status == 1 then
    if not windowed then
      wrong('returned gopiper.CONTINUE: only a function with the options every and flush (gopiper.transform) can ' ..
        'keep a message')
    end
    if code == nil then code = '' end
    if type(code) ~= 'string' then code = as_text(code) or code end
    if type(code) ~= 'string' then
      wrong('returned gopiper.CONTINUE with a key that is ' .. a(code) .. ', and not a string')
    end
    local kept = keep(s, slot, code, #code)
    if kept < 0 then wrong('returned gopiper.CONTINUE with a key for which there is not enough memory') end
    if kept == 0 then
      wrong('returned gopiper.CONTINUE: for a kept message, emit others with window:emit, not with ' ..
        'message:emit')
    end
    return
  end
  if status ~= 0 and status ~= 100 and status ~= 200 and status ~= 300 then
    wrong('returned ' .. (type(status) == 'number' and as_text(status) or a(status)) ..
      '; ' .. choices)
  end
  if type(code) == 'string' and text == nil then code, text = 0, code end
  if code == nil then code = 0 end
  if type(code) ~= 'number' or code < 0 or code > 99 or code ~= floor(code) then
    wrong('returned the code ' .. (type(code) == 'number' and as_text(code) or a(code)) ..
      ': the code of a report is a whole number from 0 to 99' ..
      (type(code) == 'cdata' and ' (tonumber converts it)' or ''))
  end
  if text == nil then
    text = status ~= 100 and status ~= 200 and '' or
      subject .. ' returned gopiper.' .. (status == 100 and 'RETRY' or 'FAIL') .. ' without a description'
  end
  if type(text) ~= 'string' then text = in_words(text) end
  if status == 0 and s.made ~= 0 then return send(s, slot) end
  report(s, slot, status == 0 and 0 or status + code, text, #text)
end

-- The error for a message that goes to no branch: the name that it gives has none, and there is no
-- default.
local function lost(name, branches)
  local names = {}
  for branch, place in next, branches do names[place + 1] = branch end
  local there = ' (there are ' .. concat(names, ', ') .. ')'
  if name == nil then wrong("returned nothing, and there is no branch 'default'" .. there) end
  wrong("sends the message to branch '" .. name .. "', which does not exist" .. meant(name, names) .. there)
end

-- Turns a function that returns the name of a branch into one that sets its number.
local function routed(user, branches)
  local default = branches.default
  choices = "it must return the name of a branch, nothing (for the branch 'default'), gopiper.DONE, DROP, RETRY or FAIL"
  return function()
    local name, code, text = user(message)
    if type(name) == 'number' and name ~= 0 then return name, code, text end
    if s.made ~= 0 then wrong('emits messages, and chooses a branch, too') end
    if name == 0 then name = nil end
    if name ~= nil and type(name) ~= 'string' then wrong('returned ' .. a(name) .. '; ' .. choices) end
    local branch = branches[name] or default
    if not branch then lost(name, branches) end
    s._slot._branch = branch
  end
end

return function(user, flush, branches, stands)
  subject = stands
  if branches then user = routed(user, branches) end
  local window = flush and window
  local function loop(batch, from, to)
    local messages = batch.messages
    for i = from, to - 1 do
      progress.at = i
      -- Messages sent now take the place of this one.
      batch.cursor = i
      local slot = messages + i
      s._slot = slot
      local status, code, text = user(message, window)
      if status == nil and s.made == 0 then
        slot._status = 0
        s.changed = 0
      elseif status == 300 and code == nil and s.changed == 0 and s.made == 0 then
        slot._status = 300
      else
        if status == nil then status = 0 end
        other(slot, window, status, code, text)
      end
    end
  end
  local function run(batch)
    batch = cast(batch_type, batch)
    local first, len = batch.cursor, batch.len
    local i = first
    while i < len do
      local well, problem = pcall(loop, batch, i, len)
      if well then break end
      i = progress.at
      begin_anew()
      local text = said(problem)
      progress.stopped = 0
      report(s, batch.messages + i, 200, text, #text)
      -- So that this one's garbage does not fail the next message: Lua does not collect when memory
      -- runs out.
      if match(text, 'not enough memory$') then collectgarbage() end
      i = i + 1
    end
    batch.cursor = first
  end
  -- Returns the error, if there is one.
  local function flush_window(ended)
    local well, problem = pcall(flush, window, ended)
    if well then return nil end
    begin_anew()
    local text = said(problem)
    progress.stopped = 0
    return text
  end
  return run, flush_window
end
