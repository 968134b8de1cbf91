-- What `gopiper` is in a worker: it makes nothing, and counts the functions that the file puts into
-- pipelines, in order.
local wanted, env, null = ...
local gopiper = {
  env = env, count = 0, NULL = null, DONE = 0, CONTINUE = 1, RETRY = 100, FAIL = 200, DROP = 300,
}

function gopiper.loadComponent() return {} end

function gopiper.buffer() return {} end

function gopiper.transform(user, options) return { user = user, flush = options and options.flush } end

function gopiper.createPipeline(components)
  for _, component in ipairs(components) do
    local user, flush = component, nil
    if type(component) == 'table' then user, flush = component.user, component.flush end
    if type(user) == 'function' then
      gopiper.count = gopiper.count + 1
      if gopiper.count == wanted then gopiper.found, gopiper.flush = user, flush end
    end
  end
end

return gopiper
