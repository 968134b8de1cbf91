/* A source that reads its own memory in blocks, cuts lines from them, and counts their outcomes. */
#include <gopiper_component.h>

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const gopiper_attribute attributes[] = {
  { "lines", GOPIPER_UINT64, .default_value = "1000", .documentation = "How many; 0 for no end." },
  { "positions", GOPIPER_TEXT, .documentation = "Say where they come from: 'counted' or 'listed'." },
  { 0 },
};

typedef struct {
  uint64_t lines;
  bool counted, listed, identified;
} configuration;

typedef struct {
  const configuration *configuration;
  uint64_t lines, sent, settled;
  int64_t next; /* Not before this moment. */
  atomic_int stopped;
  gopiper_metric *outcomes[5];
} state;

static void *configure(const gopiper_attributes *given, gopiper_error *error) {
  (void)error;
  configuration *made = calloc(1, sizeof *made);
  made->lines = gopiper_attribute_value(given, "lines").content.uint64;
  gopiper_value positions = gopiper_attribute_value(given, "positions");
  if (positions.kind == GOPIPER_TEXT) {
    made->counted = strcmp((const char *)positions.content.bytes.data, "counted") == 0;
    made->listed = strcmp((const char *)positions.content.bytes.data, "listed") == 0;
    made->identified = strcmp((const char *)positions.content.bytes.data, "identified") == 0;
  }
  return made;
}

static void *create(const void *from, gopiper_host *host, gopiper_error *error) {
  (void)error;
  static const char *const names[] = {
    "delivered_total", "dropped_total", "dead_lettered_total", "failed_total", "returned_total",
  };
  state *it = calloc(1, sizeof *it);
  it->configuration = from;
  it->lines = it->configuration->lines;
  for (int i = 0; i < 5; i++) {
    it->outcomes[i] = gopiper_metric_new(host, &(gopiper_new_metric){ GOPIPER_COUNTER, .name = names[i], .help = "Lines." });
  }
  return it;
}

static int64_t produce(void *of, gopiper_host *host, size_t credit, gopiper_error *error) {
  state *it = of;
  const uint64_t left = it->lines ? it->lines - it->sent : UINT64_MAX;
  /* It ends when it has received all outcomes. */
  if (left == 0) return it->settled < it->sent ? GOPIPER_WAITING : GOPIPER_FINISHED;
  if (gopiper_monotonic(host) < it->next) return it->next;
  it->next = gopiper_monotonic(host) + 100000;
  if (gopiper_now(host) < 1000000000000000000) gopiper_refuse(error, NULL, "what year is it?");
  const struct pollfd stop = { .fd = gopiper_stop_descriptor(host), .events = POLLIN };
  if (stop.fd >= 0 && poll((struct pollfd *)&stop, 1, 0) > 0) return GOPIPER_WAITING;
  if (gopiper_is_stopping(host)) return GOPIPER_WAITING;

  /* One block; the lines are slices of it, of ten bytes each. */
  size_t count = credit < 100 ? credit : 100;
  if (count > left) count = left;
  if (count == 0) count = 1;
  gopiper_message *block = gopiper_message_new();
  uint8_t *bytes = gopiper_message_write(host, block, count * 10 + 1);
  gopiper_batch *batch = gopiper_batch_new(host);
  for (size_t i = 0; i < count; i++) {
    snprintf((char *)bytes + i * 10, 11, "line %05u", (unsigned)((it->sent + i) % 100000));
    gopiper_message *line = gopiper_batch_add(batch);
    gopiper_message_set_slice(line, block, i * 10, 10);
    gopiper_message_set_time(line, gopiper_now(host));
  }
  gopiper_message_free(block);
  const uint64_t token = it->sent;
  if (it->configuration->counted) gopiper_batch_set_positions(batch, "memory", "line", token, NULL);
  if (it->configuration->listed) {
    uint64_t bytes[100];
    for (size_t i = 0; i < count; i++) bytes[i] = (token + i) * 10;
    gopiper_batch_set_positions(batch, "memory", "byte", 0, bytes);
  }
  if (it->configuration->identified) {
    char origin[32];
    const size_t length = gopiper_origin(host, origin, sizeof origin, error);
    if (length == 0 || length >= sizeof origin) return GOPIPER_FINISHED;
    gopiper_batch_set_positions(batch, "memory", "line", token, NULL);
    gopiper_batch_set_origin(batch, origin);
    gopiper_set_settled(host, origin, 3);
  }
  it->sent += count;
  return gopiper_send_tracked(host, batch, token) ? GOPIPER_MORE : GOPIPER_FINISHED;
}

static void settled(void *of, gopiper_host *host, uint64_t token, uint32_t first, uint32_t count, int32_t outcome) {
  state *it = of;
  if (token + first + count > it->sent) gopiper_stop(host, "what was not sent is settled");
  it->settled += count;
  if (outcome >= GOPIPER_DELIVERED && outcome <= GOPIPER_RETURNED) gopiper_counter_add(it->outcomes[outcome], count);
  if (it->settled == it->sent) gopiper_wake_at(host, 0);
}

static void stop(void *of, gopiper_host *host) {
  atomic_fetch_add(&((state *)of)->stopped, 1);
  gopiper_log(host, GOPIPER_DEBUG, "told to stop");
}

static void destroy(void *of) {
  free(of);
}

static const gopiper_component blocks = {
  .documentation = "Lines with numbers.",
  .attributes = attributes,
  .parallel = GOPIPER_PARALLEL_SINGLE,
  .durable = true,
  .configure = configure,
  .free_configuration = free,
  .create = create,
  .produce = produce,
  .settled = settled,
  .stop = stop,
  .destroy = destroy,
};
GOPIPER_COMPONENT(GOPIPER_SOURCE, "blocks", "0.1.0", blocks)
