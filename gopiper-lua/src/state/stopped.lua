-- Functions that catch errors must not catch the stop of the operator's code: `is_stopped` says
-- whether it is stopped. Functions that call themselves through the library must not use up the
-- thread's stack. Returns the function to call when an error has ended everything.
local is_stopped = ...
local error, type, pcall, xpcall = error, type, pcall, xpcall
local collectgarbage, gsub = collectgarbage, string.gsub
local create, resume, status, wrap = coroutine.create, coroutine.resume, coroutine.status, coroutine.wrap

local function unless_stopped(well, problem, ...)
  if not well and is_stopped() then error(problem, 0) end
  return well, problem, ...
end
-- How many calls of string.gsub are nested: each has 9 KB of the thread's own stack.
local MOST, replacing = 100, 0
local function back_at(depth, ...)
  replacing = depth
  return ...
end
function string.gsub(text, pattern, by, count)
  if type(by) ~= 'function' and type(by) ~= 'table' then return gsub(text, pattern, by, count) end
  if replacing == MOST then error('string.gsub nested deeper than ' .. MOST .. ' levels', 2) end
  replacing = replacing + 1
  return back_at(replacing - 1, gsub(text, pattern, by, count))
end

function _G.pcall(...) return unless_stopped(back_at(replacing, pcall(...))) end
-- Nor may a handler that describes an error run then: while it runs, nothing stops it.
function _G.xpcall(run, handler, ...)
  local function unless_stopping(problem)
    if is_stopped() then return problem end
    return handler(problem)
  end
  return unless_stopped(back_at(replacing, xpcall(run, unless_stopping, ...)))
end

-- A finalizer that collects garbage would run others within itself, and so on.
local is_collecting = false
local function collected(well, ...)
  is_collecting = false
  if not well then error((...), 0) end
  return ...
end
function _G.collectgarbage(...)
  if is_collecting then return 0 end
  is_collecting = true
  return collected(pcall(collectgarbage, ...))
end

-- Each coroutine that another one resumes takes some of the thread's own stack, which no check
-- covers: LuaJIT's limits are for calls.
local running = 0
local too_deep = 'coroutines nested deeper than ' .. MOST .. ' levels'
local function left(...)
  running = running - 1
  return ...
end
function coroutine.resume(...)
  local what = ...
  if type(what) ~= 'thread' then return resume(...) end
  if running == MOST then return false, too_deep end
  running = running + 1
  return unless_stopped(back_at(replacing, left(resume(...))))
end

-- An error has its own place, and not that of the call before it.
local function unless_failed(well, ...)
  if not well then error((...), 0) end
  return ...
end
function coroutine.wrap(run)
  if type(run) ~= 'function' then return wrap(run) end
  local made, resume = create(run), coroutine.resume
  return function(...)
    if status(made) == 'dead' then error('cannot resume dead coroutine', 2) end
    if running == MOST then error(too_deep, 2) end
    return unless_failed(resume(made, ...))
  end
end

return function() replacing = 0 end
