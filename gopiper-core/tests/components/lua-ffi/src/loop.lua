-- Gets the functions in Rust and the user's function; returns the loop over a batch.
local api, user = ...
local ffi = require('ffi')
ffi.cdef [[
typedef struct { uint64_t accessible; const void *layout; void (*retain)(const void *, size_t); void (*release)(const void *, size_t); } gp_payload_vtable;
typedef struct { const gp_payload_vtable *vtable; size_t size; } gp_owner;
typedef struct {
  const char *data; size_t len; const gp_owner *owner;
  const void *extra; const void *delivery; uint32_t index; int32_t status;
  int64_t time; uint16_t attempts; uint8_t tail, flags; uint16_t branch, piece;
} gp_message;
typedef struct { gp_message *messages; uint32_t len, capacity, cursor, holds; } gp_batch;
typedef struct {
  void (*set_data)(gp_message *, const char *, size_t);
  void (*set_attribute)(gp_message *, const char *, size_t, const char *, size_t);
} gp_api;
]]
assert(ffi.sizeof('gp_message') == 64)
local api = ffi.cast('const gp_api *', api)

local methods = {}
function methods.text(message) return ffi.string(message.data, message.len) end
function methods.set(message, text) api.set_data(message, text, #text) end
function methods.attribute(message, key, value) api.set_attribute(message, key, #key, value, #value) end
ffi.metatype('gp_message', { __index = methods })

return function(batch)
  batch = ffi.cast('gp_batch *', batch)
  for i = batch.cursor, batch.len - 1 do
    local message = batch.messages + i
    message.status = user(message) or 0
  end
end
