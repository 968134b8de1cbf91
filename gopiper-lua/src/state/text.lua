-- Numbers as text, with all digits. Lua itself writes 14 digits, and the suffix of a 64-bit
-- integer.
local tostring, tonumber, type, format, match, floor = tostring, tonumber, type, string.format, string.match, math.floor

local function text_of_number(number)
  if number == floor(number) and number >= -9007199254740992 and number <= 9007199254740992 and number ~= 0 then
    return format('%d', number)
  end
  -- The shortest text that is read as the same number.
  local text = tostring(number)
  if number ~= number or tonumber(text) == number then return text end
  for digits = 15, 16 do
    text = format('%.' .. digits .. 'g', number)
    if tonumber(text) == number then return text end
  end
  return format('%.17g', number)
end

-- A number or a 64-bit integer as text; nil for anything else.
return function(what)
  local kind = type(what)
  if kind == 'number' then return text_of_number(what) end
  if kind == 'cdata' then return match(tostring(what), '^(%-?%d+)U?LL$') end
  return nil
end
