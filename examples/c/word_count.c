/* Counts words (of ASCII's letters): an aggregate. Every `seconds`, after MOST messages, and at the
 * end it sends a line "count word" for each word that came since, and so settles the messages that
 * it has kept. */
#define _XOPEN_SOURCE 700
#include <gopiper_component.h>

#include <ctype.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Kept messages are limited in time and in number: the host and the source remember each one. */
#define MOST 100000

static const gopiper_attribute attributes[] = {
  { "seconds", GOPIPER_DOUBLE, .default_value = "1", .documentation = "How often it sends what it has counted." },
  { 0 },
};

typedef struct {
  unsigned long count;
  char text[];
} word;

typedef struct {
  double seconds;
  void *words;        /* A tree, as in search.h. */
  gopiper_kept *kept; /* NULL when nothing has been counted. */
} state;

static void *configure(const gopiper_attributes *given, gopiper_error *error) {
  double *seconds = malloc(sizeof *seconds);
  *seconds = gopiper_attribute_value(given, "seconds").content.number;
  if (!(*seconds > 0 && *seconds <= 3600)) {
    gopiper_refuse(error, "seconds", "give more than 0, and 3600 at most: sources wait for what is kept");
  }
  return seconds;
}

/* A state for each worker: it needs no locks. */
static void *create(const void *seconds, gopiper_host *host, gopiper_error *error) {
  (void)host, (void)error;
  state *made = calloc(1, sizeof *made);
  made->seconds = *(const double *)seconds;
  return made;
}

static int compare(const void *a, const void *b) {
  return strcmp(((const word *)a)->text, ((const word *)b)->text);
}

static void count(state *it, const uint8_t *text, size_t length) {
  word *counted = calloc(1, sizeof *counted + length + 1);
  memcpy(counted->text, text, length);
  word *known = *(word **)tsearch(counted, &it->words, compare);
  known->count++;
  if (known != counted) free(counted);
}

/* New messages settle the kept ones that they were made from: when all new ones are delivered. */
static void send(state *it, gopiper_host *host) {
  if (!it->kept) return;
  gopiper_batch *counts = gopiper_batch_new(host);
  while (it->words) {
    word *next = *(word **)it->words;
    char number[32];
    const int digits = snprintf(number, sizeof number, "%lu ", next->count);
    const size_t length = strlen(next->text);
    uint8_t *line = gopiper_message_write(host, gopiper_batch_add(counts), (size_t)digits + length);
    memcpy(line, number, (size_t)digits);
    memcpy(line + digits, next->text, length);
    tdelete(next, &it->words, compare);
    free(next);
  }
  gopiper_send(host, counts, it->kept);
  it->kept = NULL;
}

static int32_t handle(void *of, gopiper_host *host, gopiper_message *message) {
  state *it = of;
  gopiper_bytes line = gopiper_message_data(message);
  for (size_t from = 0, at = 0; at <= line.length; at++) {
    if (at < line.length && isalpha(line.data[at])) continue;
    if (at > from) count(it, line.data + from, at - from);
    from = at + 1;
  }
  if (!it->kept) gopiper_wake_at(host, gopiper_monotonic(host) + (int64_t)(it->seconds * 1e9));
  it->kept = gopiper_keep(host, message, it->kept);
  if (gopiper_kept_count(it->kept) >= MOST) send(it, host);
  return GOPIPER_CONTINUE;
}

static void timer(void *of, gopiper_host *host, int64_t now, gopiper_error *error) {
  (void)now, (void)error;
  send(of, host);
}

static void end(void *of, gopiper_host *host, int64_t deadline, gopiper_error *error) {
  (void)deadline, (void)error;
  send(of, host);
}

/* Messages that were not sent have failed: their source sends them again, or learns it. */
static void destroy(void *of) {
  state *it = of;
  gopiper_kept_free(it->kept);
  while (it->words) {
    word *next = *(word **)it->words;
    tdelete(next, &it->words, compare);
    free(next);
  }
  free(it);
}

static const gopiper_component word_count = {
  .documentation = "Counts words.",
  .attributes = attributes,
  .configure = configure,
  .free_configuration = free,
  .create = create,
  .handle = handle,
  .timer = timer,
  .end = end,
  .destroy = destroy,
};
GOPIPER_COMPONENT(GOPIPER_TRANSFORM, "word_count", "1.0.0", word_count)
