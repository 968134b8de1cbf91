local gopiper = require('gopiper')

local visits = {}

gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.transform(function(message, window)
    if message:find('ignore') then return gopiper.DROP end
    local user = message:json('user')
    if not user then return gopiper.FAIL, 'no user' end
    local of_user = visits[user] or {}
    visits[user] = of_user
    of_user[#of_user + 1] = message:json('page')
    if #of_user == 3 then
      -- In the place of the message at which it is complete.
      window:emit(user .. ' ' .. table.concat(of_user, ','), { key = user, attributes = { pages = of_user } })
      visits[user] = nil
    end
    return gopiper.CONTINUE, user
  end, {
    every = 3600,
    flush = function(window, ended)
      local users = {}
      for user in pairs(visits) do users[#users + 1] = user end
      table.sort(users)
      for _, user in ipairs(users) do
        if user == 'robot' then
          window:drop(user)
        else
          window:emit(user .. ' ' .. table.concat(visits[user], ',') .. (ended and ' so far' or ''),
            { key = user })
        end
      end
      visits = {}
    end,
    on_fail = 'discard',
  }),
  function(message)
    local pages = message.attributes.pages
    if pages then message:append(' ' .. #pages) end
  end,
  gopiper.loadComponent('stdout_component.so', {}),
})
