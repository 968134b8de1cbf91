-- `gopiper` in a worker: it creates nothing, and counts the functions that the file puts into
-- pipelines, in order. Its results have the same types as those of the program's own.
local given = ...
local error, ipairs, pairs, rawget, type, sort = error, ipairs, pairs, rawget, type, table.sort
local setmetatable = setmetatable
local placeholder, position_of, env, unknown = given.placeholder, given.position_of, given.env, given.unknown
local gopiper = { NULL = given.null, DONE = 0, CONTINUE = 1, RETRY = 100, FAIL = 200, DROP = 300 }
local has_ended = false
local counted = { at = {}, ended = function() has_ended = true end }
local functions = 0

local function maker(name, make)
  gopiper[name] = function(...)
    if has_ended then
      error('gopiper.' .. name .. ' can be called only while the file runs, not in a function that receives messages', 2)
    end
    return make(...)
  end
end

maker('loadComponent', placeholder)
maker('buffer', placeholder)
maker('secret', given.secret)
maker('trust', function() end)

local transforms = {}

maker('transform', function(user, options)
  local made = placeholder()
  transforms[made] = { user = user, flush = options and rawget(options, 'flush') }
  return made
end)

-- `decide` is the operator's argument, `user` the resulting function.
local function count(decide, user, flush, branches)
  functions = functions + 1
  -- A worker needs to know where its own function is; without one, all are wanted.
  if given.number == 0 or functions == given.number then
    counted.at[functions] = position_of(decide)
  end
  if functions == given.number then
    counted.found, counted.flush, counted.branches = user, flush, branches
    counted.kind = type(decide) == 'function' and 'function' or 'route'
  end
end

-- Functions are numbered when a list with them is taken, as in the program's own state.
local function take(list)
  for _, step in ipairs(list) do
    local made = transforms[step]
    if made then
      count(made.user, made.user, made.flush)
    elseif type(step) == 'function' then
      count(step, step)
    end
  end
end

maker('createPipeline', take)

local function take_all(...)
  for _, list in ipairs({ ... }) do take(list) end
  return placeholder()
end

maker('tee', take_all)
maker('merge', take_all)

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

maker('route', function(decide, branches)
  local names, places = {}, {}
  for name in pairs(branches) do names[#names + 1] = name end
  sort(names, function(one, other)
    if one == 'default' or other == 'default' then return one ~= 'default' end
    return one < other
  end)
  for i, name in ipairs(names) do places[name] = i - 1 end
  local user = type(decide) == 'table' and first_that_holds(decide, names) or decide
  count(decide, user, nil, places)
  for _, name in ipairs(names) do take(branches[name]) end
  return placeholder()
end)

-- Marks a table as a list, even an empty one.
function gopiper.list(items)
  if items ~= nil and type(items) ~= 'table' then
    error('gopiper.list wants a table, or nothing, not a ' .. type(items), 2)
  end
  return setmetatable(items or {}, given.list)
end

function gopiper.env(name, default)
  local value, problem = env(name, default)
  if problem then error(problem, 2) end
  return value
end

setmetatable(gopiper, { __index = function(_, name) error(unknown(gopiper, name), 2) end })
return gopiper, counted
