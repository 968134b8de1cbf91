/* Passes messages on, except those with an attribute `k`: it keeps them, and never settles them. */
#include <gopiper_component.h>

static int32_t handle(void *state, gopiper_host *host, gopiper_message *message) {
  (void)state;
  if (gopiper_message_attribute(message, "k").kind != GOPIPER_NULL) {
    gopiper_keep(host, message, NULL);
  }
  return GOPIPER_DONE;
}

static const gopiper_component never = {
  .documentation = "Never settles messages with an attribute k.",
  .handle = handle,
};
GOPIPER_COMPONENT(GOPIPER_TRANSFORM, "never", "1.0.0", never)
