/* A sink that writes lines to a file. */
#define _POSIX_C_SOURCE 200809L
#include <gopiper_component.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const gopiper_attribute attributes[] = {
  { "path", GOPIPER_PATH, .required = true, .documentation = "The file, which is replaced." },
  { 0 },
};

static void *configure(const gopiper_attributes *given, gopiper_error *error) {
  (void)error;
  return strdup((const char *)gopiper_attribute_value(given, "path").content.bytes.data);
}

static void *create(const void *configuration, gopiper_host *host, gopiper_error *error) {
  (void)host;
  FILE *file = fopen(configuration, "w");
  if (!file) {
    char text[256];
    snprintf(text, sizeof text, "cannot be written: %s", strerror(errno));
    gopiper_refuse(error, "path", text);
  }
  return file;
}

static int32_t handle(void *state, gopiper_host *host, gopiper_message *message) {
  gopiper_bytes line = gopiper_message_data(message);
  if (fwrite(line.data, 1, line.length, state) < line.length || fputc('\n', state) == EOF) {
    return gopiper_retry(host, 0, strerror(errno));
  }
  return GOPIPER_DONE;
}

static void end(void *state, gopiper_host *host, int64_t deadline, gopiper_error *error) {
  (void)host, (void)deadline;
  if (fflush(state) != 0) gopiper_refuse(error, "path", strerror(errno));
}

static void destroy(void *state) {
  fclose(state);
}

static const gopiper_component file = {
  .documentation = "Writes lines to a file.",
  .attributes = attributes,
  .parallel = GOPIPER_PARALLEL_SINGLE,
  .configure = configure,
  .free_configuration = free,
  .create = create,
  .handle = handle,
  .end = end,
  .destroy = destroy,
};
GOPIPER_COMPONENT(GOPIPER_SINK, "file", "0.1.0", file)
