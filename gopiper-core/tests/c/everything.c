/* A transform that follows the instruction in a message: all that it can do in C, for tests. */
#include <gopiper_component.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const gopiper_attribute attributes[] = {
  { "text", GOPIPER_TEXT, .required = true, .documentation = "A text." },
  { "signed", GOPIPER_INT64, .default_value = "-7", .documentation = "An integer. It may be negative." },
  { "unsigned", GOPIPER_UINT64, .default_value = "18446744073709551615", .documentation = "A large one." },
  { "number", GOPIPER_DOUBLE, .default_value = "0.5", .documentation = "A number." },
  { "flag", GOPIPER_BOOLEAN, .default_value = "true", .documentation = "Yes or no." },
  { "optional", GOPIPER_TEXT, .documentation = "May be left out." },
  { 0 },
};

typedef struct {
  char text[64];
  int64_t number;
  uint64_t large;
  double half;
  bool flag, has_optional;
} configuration;

typedef struct {
  const configuration *configuration;
  gopiper_metric *handled;
  gopiper_metric *last_length;
  gopiper_metric *lengths;
  bool started;
  /* The messages that are held until their time has come. */
  gopiper_batch *window;
  gopiper_kept *kept;
} state;

static void *configure(const gopiper_attributes *given, gopiper_error *error) {
  configuration *made = calloc(1, sizeof *made);
  gopiper_value text = gopiper_attribute_value(given, "text");
  if (strcmp((const char *)text.content.bytes.data, "wrong") == 0) {
    gopiper_refuse(error, "text", "'wrong' is wrong: give another one");
  }
  if (strcmp((const char *)text.content.bytes.data, "silent") == 0) gopiper_refuse(error, NULL, NULL);
  snprintf(made->text, sizeof made->text, "%s", (const char *)text.content.bytes.data);
  made->number = gopiper_attribute_value(given, "signed").content.int64;
  made->large = gopiper_attribute_value(given, "unsigned").content.uint64;
  made->half = gopiper_attribute_value(given, "number").content.number;
  made->flag = gopiper_attribute_value(given, "flag").content.boolean;
  made->has_optional = gopiper_attribute_value(given, "optional").kind != GOPIPER_NULL;
  return made;
}

static const gopiper_new_metric handled = {
  GOPIPER_COUNTER, .name = "handled_total", .help = "Messages that were handled.",
};

static void check(const void *from, gopiper_error *error) {
  const configuration *made = from;
  if (strcmp(made->text, "unchecked") == 0) gopiper_refuse(error, NULL, "it would not work");
}

static void *create(const void *from, gopiper_host *host, gopiper_error *error) {
  const configuration *made = from;
  if (strcmp(made->text, "uncreated") == 0) {
    gopiper_refuse(error, NULL, "it cannot be made");
    return NULL;
  }
  static atomic_int attempts;
  if (strcmp(made->text, "later") == 0 && atomic_fetch_add(&attempts, 1) < 2) {
    gopiper_refuse_for_now(error, "text", "not yet");
    return NULL;
  }
  state *it = calloc(1, sizeof *it);
  it->configuration = made;
  it->handled = gopiper_metric_new(host, &handled);
  static const double bounds[] = { 4, 16 };
  static const gopiper_label labels[] = { { "of", "input" } };
  it->lengths = gopiper_metric_new(host, &(gopiper_new_metric){
    GOPIPER_HISTOGRAM, .name = "message_bytes", .help = "Lengths of messages.", .unit = "bytes",
    .labels = labels, .label_count = 1, .bounds = bounds, .bound_count = 2,
  });
  it->last_length = gopiper_metric_new(host, &(gopiper_new_metric){
    GOPIPER_GAUGE, .name = "last_bytes", .help = "The length of the last message, and a half.", .unit = "bytes",
  });
  /* A name that the host refuses: the log says why, and nothing is counted. */
  gopiper_counter_add(gopiper_metric_new(host, &(gopiper_new_metric){ GOPIPER_COUNTER, .name = "refused", .help = "Never." }), 1);
  return it;
}

static void start(void *of, gopiper_host *host, gopiper_error *error) {
  state *it = of;
  it->started = true;
  gopiper_log(host, GOPIPER_INFO, "started");
  gopiper_log(host, GOPIPER_DEBUG, NULL);
  if (strcmp(it->configuration->text, "unstarted") == 0) gopiper_refuse(error, NULL, "it cannot start");
}

/* Sends the held messages, if there are any. */
static void flush(state *it, gopiper_host *host) {
  if (!it->window) return;
  char text[64];
  snprintf(text, sizeof text, "%zu of %zu", gopiper_batch_length(it->window), gopiper_kept_count(it->kept));
  gopiper_message *sum = gopiper_batch_add(it->window);
  gopiper_message_set_data(sum, text, strlen(text));
  if (!gopiper_send(host, it->window, it->kept)) gopiper_log(host, GOPIPER_WARN, "not sent");
  it->window = NULL;
  it->kept = NULL;
}

static void timer(void *of, gopiper_host *host, int64_t now, gopiper_error *error) {
  if (now > gopiper_monotonic(host)) gopiper_refuse(error, NULL, "the clock runs backwards");
  flush(of, host);
}

static void end(void *of, gopiper_host *host, int64_t deadline, gopiper_error *error) {
  (void)deadline;
  state *it = of;
  if (strcmp(it->configuration->text, "unended") == 0) gopiper_refuse(error, NULL, "it cannot end");
  flush(it, host);
}

static void destroy(void *of) {
  state *it = of;
  gopiper_batch_free(it->window);
  gopiper_kept_free(it->kept);
  free(it);
}

static void say(gopiper_message *message, const char *format, ...) {
  char text[256];
  va_list more;
  va_start(more, format);
  int length = vsnprintf(text, sizeof text, format, more);
  va_end(more);
  gopiper_message_set_data(message, text, (size_t)length);
}

/* Attributes of every kind, and the time. */
static int32_t set(gopiper_message *message) {
  const uint8_t bytes[] = { 0, 255 };
  bool fine = gopiper_message_set_attribute(message, "text", gopiper_text("é"));
  fine &= gopiper_message_set_attribute(message, "bytes", (gopiper_value){ GOPIPER_BYTES, { .bytes = { bytes, 2 } } });
  fine &= gopiper_message_set_attribute(message, "int64", (gopiper_value){ GOPIPER_INT64, { .int64 = INT64_MIN } });
  fine &= gopiper_message_set_attribute(message, "uint64", (gopiper_value){ GOPIPER_UINT64, { .uint64 = UINT64_MAX } });
  fine &= gopiper_message_set_attribute(message, "number", (gopiper_value){ GOPIPER_DOUBLE, { .number = 0.25 } });
  fine &= gopiper_message_set_attribute(message, "boolean", (gopiper_value){ GOPIPER_BOOLEAN, { .boolean = true } });
  fine &= gopiper_message_set_attribute(message, "time", (gopiper_value){ GOPIPER_TIME, { .int64 = 86400 } });
  fine &= gopiper_message_set_attribute(message, "null", (gopiper_value){ GOPIPER_NULL, { 0 } });
  fine &= gopiper_message_set_attribute(message, "gone", gopiper_text("soon"));
  fine &= gopiper_message_remove_attribute(message, "gone");
  fine &= !gopiper_message_remove_attribute(message, "gone");
  fine &= !gopiper_message_set_attribute(message, "list", (gopiper_value){ GOPIPER_LIST, { 0 } });
  fine &= !gopiper_message_set_attribute(message, "text", gopiper_text("\xff"));
  fine &= !gopiper_message_set_attribute(message, "\xff", gopiper_text("key"));
  gopiper_message_set_time(message, 42);
  say(message, fine ? "set" : "not as it should be");
  return GOPIPER_DONE;
}

/* The values that the test has set. */
static int32_t get(gopiper_message *message) {
  gopiper_value text = gopiper_message_attribute(message, "text");
  gopiper_bytes key = { NULL, 0 };
  gopiper_value at = { 0 };
  bool first = gopiper_message_attribute_at(message, 0, &key, &at);
  size_t count = 0;
  while (gopiper_message_attribute_at(message, count, &key, &at)) count++;
  say(message, "%.*s %" PRId64 " %" PRIu64 " %g %d %" PRId64 " %zu %u %u %d %zu %" PRId64,
      (int)text.content.bytes.length, (const char *)text.content.bytes.data,
      gopiper_message_attribute(message, "int64").content.int64,
      gopiper_message_attribute(message, "uint64").content.uint64,
      gopiper_message_attribute(message, "number").content.number,
      gopiper_message_attribute(message, "boolean").content.boolean,
      gopiper_message_attribute(message, "time").content.int64,
      gopiper_message_attribute(message, "bytes").content.bytes.length,
      gopiper_message_attribute(message, "list").kind, gopiper_message_attribute(message, "none").kind,
      first, count, gopiper_message_time(message));
  return GOPIPER_DONE;
}

/* A message for each word, in the place of the one that had them. */
static int32_t split(gopiper_host *host, gopiper_message *message) {
  gopiper_kept *kept = gopiper_keep(host, message, NULL);
  gopiper_bytes data = gopiper_message_data(message);
  gopiper_batch *words = gopiper_batch_new(host);
  for (size_t at = 0, from = 0; at <= data.length; at++) {
    if (at < data.length && data.data[at] != ' ') continue;
    if (at > from) gopiper_message_set_slice(gopiper_batch_add(words), message, from, at - from);
    from = at + 1;
  }
  gopiper_send(host, words, kept);
  return GOPIPER_CONTINUE;
}

static int32_t hold(state *it, gopiper_host *host, gopiper_message *message) {
  if (!it->window) {
    it->window = gopiper_batch_new(host);
    gopiper_wake_at(host, gopiper_monotonic(host) + 2000000);
  }
  it->kept = gopiper_keep(host, message, it->kept);
  gopiper_message *copy = gopiper_batch_add_copy(it->window, message);
  gopiper_message_set_attribute(copy, "held", (gopiper_value){ GOPIPER_BOOLEAN, { .boolean = true } });
  return GOPIPER_CONTINUE;
}

/* More than a batch has room for at first. */
static int32_t many(gopiper_host *host, gopiper_message *message) {
  gopiper_batch *all = gopiper_batch_new(host);
  for (int i = 0; i < 1500; i++) say(gopiper_batch_add(all), "%d", i);
  gopiper_send(host, all, gopiper_keep(host, message, NULL));
  return GOPIPER_CONTINUE;
}

static int32_t handle(void *of, gopiper_host *host, gopiper_message *message) {
  state *it = of;
  gopiper_counter_add(it->handled, 1);
  const double length = (double)gopiper_message_data(message).length;
  gopiper_gauge_set(it->last_length, length);
  gopiper_gauge_add(it->last_length, 0.5);
  gopiper_histogram_record(it->lengths, length);
  if (strcmp(it->configuration->text, "fails") == 0) return gopiper_fail(host, 5, "as all do");
  if (strcmp(it->configuration->text, "identities") == 0) {
    char id[64], said[96], cut[4];
    const size_t length = gopiper_id(host, message, id, sizeof id);
    if (length == 0) return gopiper_fail(host, 6, "it has none");
    if (gopiper_id(host, message, cut, sizeof cut) != length || strlen(cut) != 3) return GOPIPER_FAILED;
    char origin[64];
    snprintf(origin, sizeof origin, "%s", id);
    *strrchr(origin, ':') = 0;
    const uint64_t settled = gopiper_settled_below(host, origin);
    snprintf(said, sizeof said, "%s, settled below %u", strrchr(id, ':') + 1, (unsigned)settled);
    return gopiper_fail(host, 7, said);
  }
  gopiper_bytes data = gopiper_message_data(message);
  char word[32] = { 0 };
  for (size_t i = 0; i < data.length && i < sizeof word - 1 && data.data[i] != ' '; i++) word[i] = (char)data.data[i];

  /* An existing one is found again. */
  if (gopiper_metric_new(host, &handled) != it->handled) return GOPIPER_FAILED;
  if (strcmp(word, "set") == 0) return set(message);
  if (strcmp(word, "too-long") == 0) gopiper_message_set_data(message, word, (size_t)-1);
  if (strcmp(word, "too-long-to-write") == 0) gopiper_message_write(host, message, (size_t)-1);
  if (strcmp(word, "get") == 0) return get(message);
  if (strcmp(word, "split") == 0) return split(host, message);
  if (strcmp(word, "hold") == 0) return hold(it, host, message);
  if (strcmp(word, "many") == 0) return many(host, message);
  if (strcmp(word, "drop") == 0) return GOPIPER_DROP;
  if (strcmp(word, "fail") == 0) {
    say(message, "changed"); /* The failed message is the one received. */
    return gopiper_fail(host, 4, "no such customer");
  }
  if (strcmp(word, "fail-silently") == 0) return gopiper_fail(host, 200, NULL);
  if (strcmp(word, "reserved") == 0) return 42;
  if (strcmp(word, "beyond") == 0) return 301;
  if (strcmp(word, "far-beyond") == 0) return gopiper_fail(host, 1, "too far") + 200;
  if (strcmp(word, "forget") == 0) return GOPIPER_CONTINUE;
  if (strcmp(word, "retry") == 0) {
    const uint16_t attempts = gopiper_message_attempts(message);
    if (attempts < 2) return gopiper_retry(host, 1, "not yet");
    say(message, "after %u", attempts);
    return GOPIPER_DONE;
  }
  if (strcmp(word, "configured") == 0) {
    const configuration *c = it->configuration;
    say(message, "%s %" PRId64 " %" PRIu64 " %g %d %d %d", c->text, c->number, c->large, c->half, c->flag,
        c->has_optional, it->started);
    return GOPIPER_DONE;
  }
  if (strcmp(word, "slice") == 0) {
    bool fine = !gopiper_message_set_slice(message, message, data.length, 1);
    fine &= !gopiper_message_set_slice(message, message, 1, SIZE_MAX);
    if (fine) gopiper_message_set_slice(message, message, 6, data.length - 6);
    return GOPIPER_DONE;
  }
  if (strcmp(word, "write") == 0) {
    uint8_t *reversed = gopiper_message_write(host, message, data.length);
    for (size_t i = 0; i < data.length; i++) reversed[i] = data.data[data.length - 1 - i];
    return GOPIPER_DONE;
  }
  if (strcmp(word, "void") == 0) {
    /* It has no result, on purpose. */
    gopiper_send(host, gopiper_batch_new(host), gopiper_keep(host, message, NULL));
    return GOPIPER_CONTINUE;
  }
  if (strcmp(word, "let-go") == 0) {
    gopiper_kept_free(gopiper_keep(host, message, NULL));
    return GOPIPER_CONTINUE;
  }
  if (strcmp(word, "beside") == 0) {
    /* One more, before this one. */
    gopiper_batch *more = gopiper_batch_new(host);
    say(gopiper_batch_add(more), "more");
    gopiper_send(host, more, NULL);
    return GOPIPER_DONE;
  }
  if (strcmp(word, "misuse") == 0) {
    /* None of these is the received message, or can be kept: each is refused, and logged. */
    gopiper_message *own = gopiper_message_new();
    bool fine = gopiper_keep(host, own, NULL) == NULL;
    gopiper_message_free(own);
    gopiper_kept *kept = gopiper_keep(host, message, NULL);
    fine &= gopiper_keep(host, message, kept) == kept && gopiper_kept_count(kept) == 1;
    gopiper_batch *one = gopiper_batch_new(host);
    say(gopiper_batch_add(one), fine ? "refused" : "taken");
    gopiper_send(host, one, kept);
    return GOPIPER_FAILED; /* Not looked at: it was kept. */
  }
  if (strcmp(word, "finish") == 0) {
    gopiper_stop(host, NULL);
    return GOPIPER_DONE;
  }
  if (strcmp(word, "break") == 0) {
    gopiper_stop(host, "it broke");
    return GOPIPER_DONE;
  }
  return GOPIPER_DONE;
}

static const gopiper_component everything = {
  .documentation = "Does what its message says.",
  .attributes = attributes,
  .pool_size = 1,
  .channel_size = 64,
  .configure = configure,
  .check = check,
  .free_configuration = free,
  .create = create,
  .start = start,
  .handle = handle,
  .timer = timer,
  .end = end,
  .destroy = destroy,
};
GOPIPER_COMPONENT(GOPIPER_TRANSFORM, "everything", "1.2.3", everything)
