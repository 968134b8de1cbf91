-- Whether this process has run the file before, as a file in /tmp records.
local name = '/tmp/gopiper-again-' .. io.open('/proc/self/stat'):read('*n')
if os.remove(name) then return true end
io.open(name, 'w'):close()
return false
