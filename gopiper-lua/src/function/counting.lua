-- What `gopiper` is in a worker: it makes nothing, and counts the functions that the file puts into
-- pipelines, in order.
local wanted, env, unknown = ...
local gopiper = { env = env, count = 0, DONE = 0, RETRY = 100, FAIL = 200, DROP = 300 }

function gopiper.loadComponent() return {} end

function gopiper.buffer() return {} end

-- Components alone are given secrets, and there are none here.
local secret = setmetatable({}, { __tostring = function() return '(secret)' end })
getmetatable(secret).__concat = function() return secret end

function gopiper.secret() return secret end

function gopiper.transform(user) return { user = user } end

function gopiper.createPipeline(components)
  for _, component in ipairs(components) do
    local user = component
    if type(component) == 'table' then user = component.user end
    if type(user) == 'function' then
      gopiper.count = gopiper.count + 1
      if gopiper.count == wanted then gopiper.found = user end
    end
  end
end

return setmetatable(gopiper, { __index = unknown })
