-- Counts the requests of an access log by second and status, and writes each count as JSON:
--   cargo xtask run examples/rates.lua < examples/data/access.log
local gopiper = require('gopiper')

local second, counts -- of the second that the log is at

local function send(window)
  if not second then return end
  local statuses = {}
  for status in pairs(counts) do statuses[#statuses + 1] = status end
  table.sort(statuses)
  for _, status in ipairs(statuses) do
    window:emit(('{"second":"%s","status":%s,"requests":%d}'):format(second, status, counts[status]),
      { key = second })
  end
  second = nil
end

gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  gopiper.transform(function(message, window)
    local open, quote = message:find('['), message:find('" ')
    if not open or not quote then return gopiper.DROP end
    local at, status = message:sub(open + 1, open + 20), message:sub(quote + 2, quote + 4)
    if at ~= second then
      send(window)
      second, counts = at, {}
    end
    counts[status] = (counts[status] or 0) + 1
    return gopiper.CONTINUE, at
  end, {
    -- If the log stands still, sends the counts so far. Later lines of that second are apart.
    every = 10,
    flush = send,
  }),
  gopiper.loadComponent('stdout_component.so', {}),
})
