/* Upper case. A message that begins with '#' is dropped, one that begins with '!' fails. */
#include "gopiper.h"

#include <ctype.h>

void upper_handle(const gp_host *host, gp_batch *batch) {
  for (uint32_t at = batch->cursor; at < batch->len; at++) {
    gp_message *message = &batch->messages[at];
    gp_payload old = message->payload;
    if (old.len > 0 && (old.data[0] == '#' || old.data[0] == '!')) {
      message->status = old.data[0] == '#' ? 300 : 242;
      continue;
    }
    gp_payload new = host->services->payload(host->context, old.len);
    for (size_t i = 0; i < old.len; i++) new.data[i] = (uint8_t)toupper(old.data[i]);
    message->payload = new;
    message->tail = 0;
    message->status = 0;
    if (old.owner) old.owner->vtable->release(old.owner, 1);
  }
}
