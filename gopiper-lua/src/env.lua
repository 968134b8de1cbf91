-- gopiper.env(name, default): a variable of the environment, as a string; the default if it is not set.
return function(name, default)
  if type(name) ~= 'string' then error('env: argument 1 must be a string, not ' .. type(name), 2) end
  local value = os.getenv(name)
  if value == nil then value = default end
  if value == nil then
    error("env: the environment has no variable '" .. name .. "', and there is no default", 2)
  end
  return value
end
