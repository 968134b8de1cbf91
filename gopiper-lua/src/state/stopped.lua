-- What catches errors must not catch that the operator's code is stopped: `is_stopped` says whether it is.
local is_stopped = ...
local error, pcall, xpcall, resume = error, pcall, xpcall, coroutine.resume

local function unless_stopped(well, problem, ...)
  if not well and is_stopped() then error(problem, 0) end
  return well, problem, ...
end
function _G.pcall(...) return unless_stopped(pcall(...)) end
-- Nor what is to say what an error is: while that runs nothing stops it.
function _G.xpcall(run, handler, ...)
  local function unless_stopping(problem)
    if is_stopped() then return problem end
    return handler(problem)
  end
  return unless_stopped(xpcall(run, unless_stopping, ...))
end
function coroutine.resume(...) return unless_stopped(resume(...)) end
