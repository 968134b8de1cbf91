-- What `gopiper` is in a worker: it makes nothing, and counts the functions that the file puts into
-- pipelines, in order.
local wanted, env = ...
local gopiper = { env = env, count = 0, DONE = 0, RETRY = 100, FAIL = 200, DROP = 300 }

function gopiper.loadComponent() return {} end

function gopiper.buffer() return {} end

function gopiper.transform(user) return { user = user } end

-- Functions are numbered when a list with them is taken, as in the program's own state.
local function take(list)
  for _, step in ipairs(list) do
    local user = step
    if type(step) == 'table' then user = step.user end
    if type(user) == 'function' then
      gopiper.count = gopiper.count + 1
      if gopiper.count == wanted then gopiper.found = user end
    end
  end
end

gopiper.createPipeline = take

local function take_all(...)
  for _, list in ipairs({ ... }) do take(list) end
  return {}
end

gopiper.tee, gopiper.merge = take_all, take_all

return gopiper
