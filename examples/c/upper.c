/* Upper case. A line that begins with the comment character is dropped. */
#include <gopiper_component.h>

#include <ctype.h>
#include <stdlib.h>

static const gopiper_attribute attributes[] = {
  { "comment", GOPIPER_TEXT, .documentation = "The character that begins a comment; none if it is not given." },
  { 0 },
};

/* The configuration is one character, or 0. */
static void *configure(const gopiper_attributes *given, gopiper_error *error) {
  gopiper_value comment = gopiper_attribute_value(given, "comment");
  if (comment.kind != GOPIPER_NULL && comment.content.bytes.length != 1) {
    gopiper_refuse(error, "comment", "give one character of ASCII");
    return NULL;
  }
  char *configuration = malloc(1);
  *configuration = comment.kind == GOPIPER_NULL ? 0 : (char)comment.content.bytes.data[0];
  return configuration;
}

/* Without a callback `create` the state of each worker is the configuration. */
static int32_t handle(void *state, gopiper_host *host, gopiper_message *message) {
  const char comment = *(const char *)state;
  gopiper_bytes line = gopiper_message_data(message);
  if (comment && line.length > 0 && line.data[0] == (uint8_t)comment) return GOPIPER_DROP;
  uint8_t *upper = gopiper_message_write(host, message, line.length);
  for (size_t i = 0; i < line.length; i++) upper[i] = (uint8_t)toupper(line.data[i]);
  return GOPIPER_DONE;
}

static const gopiper_component upper = {
  .documentation = "Makes lines upper case.",
  .attributes = attributes,
  .configure = configure,
  .free_configuration = free,
  .handle = handle,
};
GOPIPER_COMPONENT(GOPIPER_TRANSFORM, "upper", "1.0.0", upper)
