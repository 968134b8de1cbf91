/* Upper case. A message that begins with '#' is dropped, one that begins with '!' fails. */
#include "gopiper.h"

#include <ctype.h>

uint32_t upper_handle(const gp_host *host, gp_batch *batch) {
  uint32_t flags = GP_ALL_DONE;
  for (; batch->cursor < batch->len; batch->cursor++) {
    gp_message *message = &batch->messages[batch->cursor];
    gp_payload old = message->payload;
    if (old.len > 0 && (old.data[0] == '#' || old.data[0] == '!')) {
      message->status = old.data[0] == '#' ? 300 : 242;
      flags = GP_NOT_ALL_DONE;
      continue;
    }
    gp_payload new = host->services->payload(host->context, old.len);
    for (size_t i = 0; i < old.len; i++) new.data[i] = (uint8_t)toupper(old.data[i]);
    message->payload = new;
    message->tail = 0;
    message->status = 0;
    if (old.owner) old.owner->vtable->release(old.owner, 1);
  }
  return flags;
}
