-- Whether this process has run the file before: a file beside no other tells.
local name = '/tmp/gopiper-again-' .. io.open('/proc/self/stat'):read('*n')
if os.remove(name) then return true end
io.open(name, 'w'):close()
return false
