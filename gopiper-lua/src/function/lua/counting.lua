-- What `gopiper` is in a worker: it makes nothing, and counts the functions that the file puts into
-- pipelines, in order.
local wanted, env, unknown, null = ...
local gopiper = {
  env = env, count = 0, NULL = null, DONE = 0, CONTINUE = 1, RETRY = 100, FAIL = 200, DROP = 300,
}

function gopiper.loadComponent() return {} end

function gopiper.buffer() return {} end

function gopiper.trust() end

-- Components alone are given secrets, and there are none here.
local secret = setmetatable({}, { __tostring = function() return '(secret)' end })
getmetatable(secret).__concat = function() return secret end

function gopiper.secret() return secret end

function gopiper.transform(user, options) return { user = user, flush = options and options.flush } end

local function count(user, flush, branches)
  gopiper.count = gopiper.count + 1
  if gopiper.count == wanted then
    gopiper.found, gopiper.flush, gopiper.branches = user, flush, branches
  end
end

-- Functions are numbered when a list with them is taken, as in the program's own state.
local function take(list)
  for _, step in ipairs(list) do
    local user, flush = step, nil
    if type(step) == 'table' then user, flush = step.user, step.flush end
    if type(user) == 'function' then count(user, flush) end
  end
end

gopiper.createPipeline = take

local function take_all(...)
  for _, list in ipairs({ ... }) do take(list) end
  return {}
end

gopiper.tee, gopiper.merge = take_all, take_all

-- The first branch whose condition holds, in the order of their names.
local function first_that_holds(conditions, names)
  local chosen, holds = {}, {}
  for _, name in ipairs(names) do
    local condition = conditions[name]
    if type(condition) == 'string' then
      local word = condition
      condition = function(message) return message:find(word) end
    end
    if condition then chosen[#chosen + 1], holds[#holds + 1] = name, condition end
  end
  return function(message)
    for i = 1, #holds do
      if holds[i](message) then return chosen[i] end
    end
  end
end

function gopiper.route(decide, branches)
  local names, places = {}, {}
  for name in pairs(branches) do names[#names + 1] = name end
  table.sort(names, function(one, other)
    if one == 'default' or other == 'default' then return one ~= 'default' end
    return one < other
  end)
  for i, name in ipairs(names) do places[name] = i - 1 end
  if type(decide) == 'table' then decide = first_that_holds(decide, names) end
  count(decide, nil, places)
  for _, name in ipairs(names) do take(branches[name]) end
  return {}
end

return setmetatable(gopiper, { __index = unknown })
