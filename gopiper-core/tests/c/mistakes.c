/* Declares attributes that no component can have: which, the compiler's options say. */
#include <gopiper_component.h>

static int32_t handle(void *state, gopiper_host *host, gopiper_message *message) {
  (void)state;
  (void)host;
  (void)message;
  return GOPIPER_DONE;
}

static const gopiper_attribute attributes[] = {
  {.name = "limit", .kind = GOPIPER_INT64, .default_value = "7"},
  {.name = MISTAKEN, .kind = KIND, .default_value = DEFAULT},
  {0},
};

static const gopiper_component mistakes = {
  .documentation = "Can't be loaded.",
  .attributes = attributes,
  .handle = handle,
};
GOPIPER_COMPONENT(GOPIPER_TRANSFORM, "mistakes", "1.0.0", mistakes)
