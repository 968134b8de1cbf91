// Components for gopiper, written in C. See docs/authors/c.md.
//
// Generated from gopiper-abi/c: do not change it here.
//
// Texts are UTF-8 and end with a NUL; what a function keeps of them it copies. No pointer that is
// passed may be NULL unless that is said, and none that is given is yours unless that is said.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The version of the interface that this header is of.
#define GOPIPER_INTERFACE_VERSION "0.1.0"
// The hash of the interface's layout.
#define GOPIPER_LAYOUT_ { 0xe8, 0xa2, 0x26, 0xc0, 0xd7, 0xb4, 0x66, 0xf8 }

// One unit of data with its attributes: the one that `handle` got, one of gopiper_message_new, or
// one in a batch. Its contents are private.
typedef struct gopiper_message gopiper_message;

// The first component: it produces messages. For GOPIPER_COMPONENT.
#define GOPIPER_SOURCE 0

// A component between a source and a sink: it gets messages and passes them on. For
// GOPIPER_COMPONENT.
#define GOPIPER_TRANSFORM 1

// The last component: messages end there. For GOPIPER_COMPONENT.
#define GOPIPER_SINK 2

// Any number of workers; a message goes to one that is free. For `parallel`.
#define GOPIPER_PARALLEL_ANY 0

// One worker: its data or its output must be in one place. For `parallel`.
#define GOPIPER_PARALLEL_SINGLE 1

// Any number of workers; messages that agree in an attribute (the operator's option
// `partition_by`) go to the same worker. For `parallel`.
#define GOPIPER_PARALLEL_KEYED 2

// `handle` returns this when the next component is to get the message.
#define GOPIPER_DONE 0

// `handle` returns this when it has kept the message: see gopiper_keep.
#define GOPIPER_CONTINUE 1

// `handle` returns this to drop the message, on purpose and in silence; to the source that is a
// success.
#define GOPIPER_DROP 300

// `produce` returns this when more messages are available at once.
#define GOPIPER_MORE 0

// `produce` returns this when there is nothing just now: it is called again after gopiper_wake_at.
#define GOPIPER_WAITING 9223372036854775807

// `produce` returns this when the source has come to its end.
#define GOPIPER_FINISHED -1

// `settled`: the last component has finished all messages made from this one.
#define GOPIPER_DELIVERED 0

// `settled`: it was dropped on purpose.
#define GOPIPER_DROPPED 1

// `settled`: it failed, and lies with the dead letters, on disk.
#define GOPIPER_DEAD_LETTERED 2

// `settled`: it failed, and was discarded.
#define GOPIPER_FAILED 3

// `settled`: the pipeline ended before. A source may move past a message with an outcome below
// this; one with this outcome (or with none when the program ends) it gives again the next time.
#define GOPIPER_RETURNED 4

// gopiper_log: something went wrong.
#define GOPIPER_ERROR 1

// gopiper_log: something looks wrong.
#define GOPIPER_WARN 2

// gopiper_log: what an operator may want to know.
#define GOPIPER_INFO 3

// gopiper_log: what a developer may want to know.
#define GOPIPER_DEBUG 4

// gopiper_log: everything.
#define GOPIPER_TRACE 5

// A metric's kind: it only grows.
#define GOPIPER_COUNTER 0

// A metric's kind: it goes up and down.
#define GOPIPER_GAUGE 1

// A metric's kind: it counts values by their size.
#define GOPIPER_HISTOGRAM 2

// Nothing: also what an attribute has that is not there.
#define GOPIPER_NULL 0

// True or false.
#define GOPIPER_BOOLEAN 1

// A signed integer.
#define GOPIPER_INT64 2

// An unsigned integer.
#define GOPIPER_UINT64 3

// A floating-point number.
#define GOPIPER_DOUBLE 4

// A moment, in nanoseconds since 1970.
#define GOPIPER_TIME 5

// Bytes.
#define GOPIPER_BYTES 6

// Text in UTF-8.
#define GOPIPER_TEXT 7

// A list; it is passed on, but cannot be looked into from C.
#define GOPIPER_LIST 8

// Keys with values; it is passed on, but cannot be looked into from C.
#define GOPIPER_MAP 9

// Of attributes in a component's table: a path, which the component gets as text. A relative one
// starts at the folder of the pipeline's file.
#define GOPIPER_PATH 256

// The attributes that were given, with the defaults of the others. Valid during `configure`.
typedef struct gopiper_attributes gopiper_attributes;

// Messages that are sent together. Yours until you send or free it; used by one thread at a time.
typedef struct gopiper_batch gopiper_batch;

// Why a callback has failed: see gopiper_refuse.
typedef struct gopiper_error gopiper_error;

// The host as one worker sees it. Valid until the worker's `destroy` has returned. Functions that
// take it may be called on any thread, also one of your own, unless they say otherwise; end your
// threads in `destroy` at the latest.
typedef struct gopiper_host gopiper_host;

// The duty to settle messages that `handle` has kept, without the messages. Give it to
// gopiper_send with the messages made from them; if it is freed instead, they have failed. Used by
// one thread at a time.
typedef struct gopiper_kept gopiper_kept;

// A number that the host publishes. Valid as long as the host that it came from.
typedef struct gopiper_metric gopiper_metric;

// Bytes that belong to another owner. Those of a text end with a NUL only where the documentation
// says so.
typedef struct {
  // The first of them. Not NULL, also if there are none.
  const uint8_t *data;
  // How many.
  size_t length;
} gopiper_bytes;

// The type of a value.
typedef union {
  // Of GOPIPER_BOOLEAN.
  bool boolean;
  // Of GOPIPER_INT64, and of GOPIPER_TIME.
  int64_t int64;
  // Of GOPIPER_UINT64.
  uint64_t uint64;
  // Of GOPIPER_DOUBLE.
  double number;
  // Of GOPIPER_BYTES and GOPIPER_TEXT.
  gopiper_bytes bytes;
} gopiper_content;

// The value of an attribute. Bytes and text in it are not its own: they are those of the message
// (or of the component's attributes) that it was read from, as long as that is there and
// unchanged.
typedef struct {
  // GOPIPER_NULL … GOPIPER_MAP, or a number that this version does not know.
  uint32_t kind;
  // The content, by its type.
  gopiper_content content;
} gopiper_value;

// A label of a metric. Take its values from a small set: each is a metric of its own, and a
// component may have 100 for each name.
typedef struct {
  // Its name.
  const char *name;
  // Its value.
  const char *value;
} gopiper_label;

// Describes a metric. Leave out the fields that it does not need.
typedef struct {
  // GOPIPER_COUNTER, GOPIPER_GAUGE or GOPIPER_HISTOGRAM.
  uint32_t kind;
  // Its name: it is published as `gopiper_component_NAME`. A counter's ends in `_total`.
  const char *name;
  // What it counts or measures, in a sentence.
  const char *help;
  // Its unit, in the plural ("bytes", "seconds"), in which the name ends. NULL for none.
  const char *unit;
  // Labels beside those that each metric of the component has.
  const gopiper_label *labels;
  // How many.
  size_t label_count;
  // The upper bounds of a histogram's buckets, in ascending order.
  const double *bounds;
  // How many.
  size_t bound_count;
} gopiper_new_metric;

// An attribute that the operator can set: a row of a table that ends with one whose name is NULL.
// From it come the checks and their errors, and what `gopiper inspect --load` shows.
typedef struct {
  // Its name.
  const char *name;
  // Its type: GOPIPER_BOOLEAN, GOPIPER_INT64, GOPIPER_UINT64, GOPIPER_DOUBLE, GOPIPER_TEXT or
  // GOPIPER_PATH.
  uint32_t kind;
  // Whether it must be given.
  bool required;
  // Its value unless it is given, written as in a pipeline's file, text without quotes: "100",
  // "true". NULL for none: then its value is GOPIPER_NULL. A double that is no int64 has at most
  // 15 digits, and a power of ten from -22 to 22.
  const char *default_value;
  // Its purpose, in a sentence or more.
  const char *documentation;
} gopiper_attribute;

// The description of a component: fill in the fields it needs by name, the rest is zero and means
// the default.
//
// A callback that gets an `error` has failed exactly if it has called gopiper_refuse with it. No
// callback may be left by longjmp or a C++ exception.
//
// Threads: `configure`, `check` and `free_configuration` are called by one thread at a time. Each
// worker has a `state` of its own, and its callbacks are called by one thread at a time, so a
// state needs no locks; `stop` is the one exception.
typedef struct {
  // The purpose of the component, in a sentence or more, for the operator.
  const char *documentation;
  // The attributes, ended by a row whose name is NULL; NULL for none.
  const gopiper_attribute *attributes;
  // One of GOPIPER_PARALLEL_…
  uint32_t parallel;
  // How many workers it would like, 0 for one; the operator's option overrides it.
  uint32_t pool_size;
  // How many messages may wait for it, 0 for 8192; the operator's option overrides it.
  uint32_t channel_size;
  // How many waiting messages a call gathers at most. With 0, a call brings one batch, as it was
  // sent. A component that commits what a call brings (by a sync, a transaction, a request) asks
  // for more: it gets everything that has arrived while it was busy.
  uint32_t gathers;
  // Whether nothing is lost when the program is killed: a source sends messages that were not
  // settled again the next time; a sink keeps the messages for which it returned GOPIPER_DONE in
  // a safe place. Means nothing for a transform.
  bool durable;
  // Whether the component does its part so that each message is written exactly once, even if
  // the program is killed: a source gives each message the same identity each time
  // (gopiper_batch_set_origin) and says which will not come again (gopiper_set_settled); a sink
  // keeps the identities (gopiper_id) of what it has written. Means nothing for a transform.
  bool exactly_once;
  // Makes a configuration of the attributes, which have been checked against the table; refuses
  // what does not fit together. Nothing is opened yet. The configuration it returns belongs to
  // you and may be NULL; it is not changed any more, as all workers may read it at once.
  void *(*configure)(const gopiper_attributes *attributes, gopiper_error *error);
  // Whether it could work, without side effects: called before the pipeline starts.
  void (*check)(const void *configuration, gopiper_error *error);
  // Frees what `configure` returned, unless that is NULL: after the last worker has gone, or at
  // once if it was refused.
  void (*free_configuration)(void *configuration);
  // Makes the state of one worker, opens what it needs. `host` is the worker's, and stays valid
  // until `destroy` has returned. Without this callback the state is the configuration, which is
  // then shared by all workers.
  void *(*create)(const void *configuration, gopiper_host *host, gopiper_error *error);
  // Called once, on the worker's thread, before the callbacks below.
  void (*start)(void *state, gopiper_host *host, gopiper_error *error);
  // Transforms and sinks: handles one message, and returns its outcome: GOPIPER_DONE,
  // GOPIPER_DROP, GOPIPER_CONTINUE, or the result of gopiper_retry or gopiper_fail. `message` is
  // valid until it returns. Unless it returns GOPIPER_DONE, a retry or the dead letters get the
  // message as received, whatever `handle` changed in it.
  int32_t (*handle)(void *state, gopiper_host *host, gopiper_message *message);
  // Sources: sends what there is, about `credit` messages at most (so many will not block), and
  // returns GOPIPER_MORE, GOPIPER_WAITING, GOPIPER_FINISHED, or the moment of gopiper_monotonic
  // at which to be called again. It may be called earlier than that.
  int64_t (*produce)(void *state, gopiper_host *host, size_t credit, gopiper_error *error);
  // Sources: `count` messages of the batch that was sent under `token`, from place `first` on,
  // have ended with `outcome` (GOPIPER_DELIVERED …). Once for each message of
  // gopiper_send_tracked, in no particular order; also after `end`.
  void (*settled)(void *state,
                  gopiper_host *host,
                  uint64_t token,
                  uint32_t first,
                  uint32_t count,
                  int32_t outcome);
  // Transforms and sinks: the moment asked for by gopiper_wake_at has come. `now` is
  // gopiper_monotonic.
  void (*timer)(void *state, gopiper_host *host, int64_t now, gopiper_error *error);
  // No more messages come: send those that are kept, until `deadline` of gopiper_monotonic. A
  // source's `produce` is not called after this; its `settled` may be.
  void (*end)(void *state, gopiper_host *host, int64_t deadline, gopiper_error *error);
  // The pipeline stops: whatever waits in the worker should come to an end. On any thread,
  // beside any other callback of this worker but `destroy`.
  void (*stop)(void *state, gopiper_host *host);
  // Frees what `create` returned, unless that is NULL: when the worker has come to its end, or
  // at once if it was refused.
  void (*destroy)(void *state);
} gopiper_component;

// The table that GOPIPER_COMPONENT exports to the static library. It writes this for you.
typedef struct {
  // The component's name.
  const char *name;
  // Its version.
  const char *version;
  // The kind of the component: GOPIPER_SOURCE …
  uint32_t kind;
  // The table of callbacks.
  const gopiper_component *component;
} gopiper_exported;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The value of an attribute in the component's table. It has the type from the table (a path is
// GOPIPER_TEXT), or is GOPIPER_NULL if it was not given and has no default. Text ends with a NUL.
// It is valid as long as `attributes` is: copy it if you keep it.
gopiper_value gopiper_attribute_value(const gopiper_attributes *attributes, const char *name);

// Says why the callback that got `error` has failed: `text` says what is wrong and what would be
// right; `attribute` is the one at fault, or NULL. Both are copied. Of several calls the last one
// counts.
void gopiper_refuse(gopiper_error *error, const char *attribute, const char *text);

// As gopiper_refuse, for a cause that may pass by itself: a server that is not there yet. When
// `create` or `start` fails so, the host logs it, waits, and begins again with `create`. In
// `check` it is no reason to refuse. In other callbacks it is the same as gopiper_refuse.
void gopiper_refuse_for_now(gopiper_error *error, const char *attribute, const char *text);

// An empty batch.
gopiper_batch *gopiper_batch_new(gopiper_host *host);

// Frees a batch that is not sent, with its messages. NULL is nothing.
void gopiper_batch_free(gopiper_batch *batch);

// How many messages there are in the batch.
size_t gopiper_batch_length(const gopiper_batch *batch);

// Puts a message at the end, without bytes and attributes, and returns it. Fill it in before you
// use the batch in any other way. Never NULL.
gopiper_message *gopiper_batch_add(gopiper_batch *batch);

// Puts a copy of `message` at the end, and returns it as gopiper_batch_add does. Its bytes and
// attributes are shared until one of the two changes them.
gopiper_message *gopiper_batch_add_copy(gopiper_batch *batch, const gopiper_message *message);

// Sources: says where the messages of a batch come from. When one fails, the log and the dead
// letter say so: "orders.log, byte 4096". Call it when all messages are in the batch.
//
// `of` names your input, and is copied. `unit` names the things that the numbers count ("byte",
// "line", "offset"): a string literal, or another text that never changes. `numbers` has one for
// each message that is in the batch now, and is copied; if it is NULL, the first message has the
// number `first`, and the others count on from there.
void gopiper_batch_set_positions(gopiper_batch *batch,
                                 const char *of,
                                 const char *unit,
                                 uint64_t first,
                                 const uint64_t *numbers);

// Keeps the message that `handle` got: this component will send something made of it, which
// settles it. Then return GOPIPER_CONTINUE. The message can be read until `handle` returns.
//
// `earlier` holds the messages kept before that are to be settled with it, or is NULL; the
// returned pointer takes its place. For a million messages that is a few numbers. Keep nothing
// without a bound in time: a source may wait for it. On the worker's thread alone.
gopiper_kept *gopiper_keep(gopiper_host *host, gopiper_message *message, gopiper_kept *earlier);

// How many messages were kept in it; 0 for NULL.
size_t gopiper_kept_count(const gopiper_kept *kept);

// Releases kept messages: they have failed. NULL is allowed and does nothing.
void gopiper_kept_free(gopiper_kept *kept);

// Sends a batch to the next component. `kept` are the messages that it was made of, which are
// settled when all of the batch is, with the worst of its outcomes; NULL if there are none. An
// empty batch with kept messages settles them as dropped.
//
// In `handle` the batch takes the place of the message that is handled, and this does not wait;
// elsewhere it waits for room. Both the batch and `kept` are taken over in any case. False if the
// pipeline takes no more: the kept messages have then failed.
bool gopiper_send(gopiper_host *host, gopiper_batch *batch, gopiper_kept *kept);

// Sends a batch whose outcomes a source wants to receive: `settled` gets `token`, with the places
// of the messages in the batch. The batch is taken over in any case. False if the pipeline takes
// no more: then no outcome is reported.
bool gopiper_send_tracked(gopiper_host *host, gopiper_batch *batch, uint64_t token);

// Writes a line to the host's log. `level` is GOPIPER_ERROR … GOPIPER_TRACE; NULL is an empty
// line.
void gopiper_log(gopiper_host *host, uint32_t level, const char *text);

// Nanoseconds since 1970.
int64_t gopiper_now(const gopiper_host *host);

// Nanoseconds of a clock that never goes back: that of timers and deadlines.
int64_t gopiper_monotonic(const gopiper_host *host);

// Calls `timer` (of a source: `produce`) at that moment of gopiper_monotonic, once: 0 for at once.
// A later call replaces the moment, INT64_MAX takes it back. Calls at other moments may come too.
void gopiper_wake_at(gopiper_host *host, int64_t moment);

// Whether the pipeline is ending.
bool gopiper_is_stopping(const gopiper_host *host);

// A descriptor that becomes readable when the pipeline is ending, to be polled beside the
// descriptors that a source waits for. Never read or close it. -1 if there is none.
int32_t gopiper_stop_descriptor(const gopiper_host *host);

// Ends the pipeline: as failed with `error`; without an error if that is NULL, because no more of
// its messages are wanted. Messages that this component does not finish from now on are returned
// to their source.
void gopiper_stop(gopiper_host *host, const char *error);

// `handle` returns what this returns when the same component is to get the message again, later.
// `code` is your number for the reason, 0 to 99; `text` says why, is copied, and may be NULL. On
// the worker's thread alone.
int32_t gopiper_retry(gopiper_host *host, uint8_t code, const char *text);

// `handle` returns what this returns when the message has failed and trying again would not help.
// `code` is your number for the reason, 0 to 99; `text` says why, is copied, and may be NULL. On
// the worker's thread alone.
int32_t gopiper_fail(gopiper_host *host, uint8_t code, const char *text);

// Writes the identity of the message that `handle` got into `id`, as text with a NUL after it, cut
// to `size` bytes: one that was cut identifies nothing. It is the same in each attempt and after
// each restart: a component that writes to a place of its own uses it to write each message once.
//
// Returns the length of the whole text, without the NUL; 0 if the message has no identity, because
// its source gives none, or because it was made from several others. On the worker's thread alone.
size_t gopiper_id(gopiper_host *host, const gopiper_message *message, char *id, size_t size);

// Sources: a name that no other component in the world has, the same as long as this one has its
// state directory, which the first call makes. An origin (gopiper_batch_set_origin) of numbers
// that mean something in this place alone begins with it.
//
// Writes it into `origin` as gopiper_id does, and returns its length. Without a state directory it
// returns 0, and sets `error`.
size_t gopiper_origin(gopiper_host *host, char *origin, size_t size, gopiper_error *error);

// Sources: messages of this origin with smaller numbers will not be sent again, not even after the
// program is killed: their outcomes are in your checkpoint, on disk. UINT64_MAX says so of all.
void gopiper_set_settled(gopiper_host *host, const char *origin, uint64_t below);

// Sinks: the number below which the messages of an origin do not come again, as far as its source
// has said; 0 if it has not said anything. The origin is what stands before the last ':' of an
// identity, and the number what follows it.
uint64_t gopiper_settled_below(gopiper_host *host, const char *origin);

// Sources: says that the numbers of gopiper_batch_set_positions identify the messages. Each time
// that you send a message, it has this `origin` and the same number, and no other message in the
// world has both; a file's name does not do, as another file may get it. Call it after
// gopiper_batch_set_positions. `origin` is copied.
void gopiper_batch_set_origin(gopiper_batch *batch, const char *origin);

// A message of your own, without bytes and attributes: read into it, and make other messages from
// it with gopiper_message_set_slice. Messages to send come from gopiper_batch_add. Free it.
gopiper_message *gopiper_message_new(void);

// Frees what gopiper_message_new made, and nothing else. What shares its bytes keeps them. NULL is
// nothing.
void gopiper_message_free(gopiper_message *message);

// The bytes, which no NUL ends. Valid as long as the message is, and until others are put in their
// place; those of the message that `handle` got, until `handle` returns. Never write to them.
gopiper_bytes gopiper_message_data(const gopiper_message *message);

// Puts a copy of these bytes in place of those that there are.
void gopiper_message_set_data(gopiper_message *message, const void *data, size_t length);

// Puts `length` new bytes in place of those that there are, and returns where to write them:
// before `handle` returns, the message is sent, or another message gets a slice or a copy of it.
// They are not zeroed. Not NULL.
uint8_t *gopiper_message_write(gopiper_host *host, gopiper_message *message, size_t length);

// Puts a part of the bytes of `of` in place of those that there are: shared, not copied. `of` may
// be the message itself. False, and nothing is changed, if the part does not lie within them.
bool gopiper_message_set_slice(gopiper_message *message,
                               const gopiper_message *of,
                               size_t start,
                               size_t length);

// An attribute: GOPIPER_NULL if the message does not have it.
gopiper_value gopiper_message_attribute(const gopiper_message *message, const char *key);

// The attribute at a place, counted from 0, in the order in which they were first set. False if
// there are not so many; then nothing is written. `key` is no text that a NUL ends.
bool gopiper_message_attribute_at(const gopiper_message *message,
                                  size_t place,
                                  gopiper_bytes *key,
                                  gopiper_value *value);

// Sets an attribute; bytes and text are copied. False, and nothing is changed, if the key or a
// text is no UTF-8, or the kind is one that C cannot give.
bool gopiper_message_set_attribute(gopiper_message *message, const char *key, gopiper_value value);

// Takes an attribute away. False if there was none.
bool gopiper_message_remove_attribute(gopiper_message *message, const char *key);

// The time the message was created, in nanoseconds since 1970; 0 if it was never set.
int64_t gopiper_message_time(const gopiper_message *message);

// Says when the message was made, in nanoseconds since 1970.
void gopiper_message_set_time(gopiper_message *message, int64_t nanoseconds);

// How often this component was given the message before.
uint16_t gopiper_message_attempts(const gopiper_message *message);

// Registers a metric, or finds it again. NULL if the host refuses it (the log says why); the
// functions below do nothing with NULL.
gopiper_metric *gopiper_metric_new(gopiper_host *host, const gopiper_new_metric *described);

// Adds to a counter: an atomic addition.
void gopiper_counter_add(gopiper_metric *metric, uint64_t n);

// Sets a gauge.
void gopiper_gauge_set(gopiper_metric *metric, double value);

// Adds to a gauge; a negative number makes it smaller.
void gopiper_gauge_add(gopiper_metric *metric, double more);

// Counts a value in a histogram.
void gopiper_histogram_record(gopiper_metric *metric, double value);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

// A value of this text, which is not copied.
static inline gopiper_value gopiper_text(const char *text) {
  gopiper_value value;
  // Each field, for `{ 0 }` is the first member of a union alone: gcc 15 leaves the rest as it was.
  value.kind = GOPIPER_TEXT;
  value.content.bytes.data = (const uint8_t *)text;
  value.content.bytes.length = 0;
  while (text[value.content.bytes.length]) value.content.bytes.length++;
  return value;
}

// From C++ the functions can be called. The table and this macro are for a file of C.
#ifndef __cplusplus
// Makes a component of a table of callbacks: once in a file, outside of functions. `kind` is
// GOPIPER_SOURCE, GOPIPER_TRANSFORM or GOPIPER_SINK, `name` and `version` are string literals, of
// 63 and 31 bytes at most.
//
//   static const gopiper_component upper = { .documentation = "Upper case.", .handle = handle };
//   GOPIPER_COMPONENT(GOPIPER_TRANSFORM, "upper", "1.0.0", upper)
//
// It writes three things: the ELF note that the host reads before any code of the file runs, the
// name by which the static library finds the component, and a reference that takes the file's entry
// out of that library.
#define GOPIPER_COMPONENT(kind, name, version, component)                                          \
  _Static_assert(sizeof(name) > 1 && sizeof(name) <= 64, "the name has 1 to 63 bytes");            \
  _Static_assert(sizeof(version) <= 32, "the version has 31 bytes at most");                       \
  __attribute__((section(".note.gopiper"), used, aligned(4)))                                      \
  static const gopiper_note_ gopiper_note_of_this_file_ = {                                        \
    8, sizeof(gopiper_note_) - 20, 2, "gopiper", (kind), 1, GOPIPER_LAYOUT_, name, version,        \
    GOPIPER_INTERFACE_VERSION, GOPIPER_TARGET_, GOPIPER_COMPILER_, GOPIPER_CPU_, { 0 }             \
  };                                                                                               \
  const gopiper_exported gopiper_exported_component_ = { name, version, (kind), &(component) };    \
  extern const char _1as_0lib_1header_0root_bmodule_bloader[];                                     \
  __attribute__((used))                                                                            \
  static const void *const gopiper_entry_of_this_file_ = _1as_0lib_1header_0root_bmodule_bloader;
#endif

// From here on: definitions for GOPIPER_COMPONENT.

typedef struct gopiper_note_ {
  uint32_t owner_size, description_size, note_type;
  char owner[8];
  uint32_t kind;
  uint32_t panic; // 1: the Rust in the static library unwinds, to its fences and no further
  uint8_t layout[8];
  char name[64], version[32], interface_version[32], target[64], compiler[64];
  char cpu[320]; // the features of the processor that its code uses
  uint8_t digest[32]; // gopiper verify --seal
} gopiper_note_;

#define GOPIPER_NUMBER_(number) GOPIPER_NUMBER_AS_IT_IS_(number)
#define GOPIPER_NUMBER_AS_IT_IS_(number) #number
#define GOPIPER_THREE_NUMBERS_(a, b, c)                                                            \
  GOPIPER_NUMBER_(a) "." GOPIPER_NUMBER_(b) "." GOPIPER_NUMBER_(c)
#if defined(__clang__)
#define GOPIPER_COMPILER_                                                                          \
  "clang " GOPIPER_THREE_NUMBERS_(__clang_major__, __clang_minor__, __clang_patchlevel__)
#elif defined(__GNUC__)
#define GOPIPER_COMPILER_                                                                          \
  "gcc " GOPIPER_THREE_NUMBERS_(__GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__)
#else
#error "components in C are compiled by gcc or clang"
#endif

#if defined(__x86_64__)
#define GOPIPER_MACHINE_ "x86_64"
#elif defined(__aarch64__)
#define GOPIPER_MACHINE_ "aarch64"
#else
#error "components are for x86_64 and aarch64"
#endif
#if !defined(__linux__)
#error "components are for Linux"
#endif
// stdint.h has said which C library this is, if it is glibc.
#if defined(__GLIBC__)
#define GOPIPER_TARGET_ GOPIPER_MACHINE_ "-unknown-linux-gnu"
#else
#define GOPIPER_TARGET_ GOPIPER_MACHINE_ "-unknown-linux-musl"
#endif

// Names of features, each if the compiler may use it.
#ifdef __SSE3__
#define GOPIPER_SSE3_ "sse3 "
#else
#define GOPIPER_SSE3_ ""
#endif
#ifdef __SSSE3__
#define GOPIPER_SSSE3_ "ssse3 "
#else
#define GOPIPER_SSSE3_ ""
#endif
#ifdef __SSE4_1__
#define GOPIPER_SSE4_1_ "sse4.1 "
#else
#define GOPIPER_SSE4_1_ ""
#endif
#ifdef __SSE4_2__
#define GOPIPER_SSE4_2_ "sse4.2 "
#else
#define GOPIPER_SSE4_2_ ""
#endif
#ifdef __SSE4A__
#define GOPIPER_SSE4A_ "sse4a "
#else
#define GOPIPER_SSE4A_ ""
#endif
#ifdef __POPCNT__
#define GOPIPER_POPCNT_ "popcnt "
#else
#define GOPIPER_POPCNT_ ""
#endif
#ifdef __AVX__
#define GOPIPER_AVX_ "avx "
#else
#define GOPIPER_AVX_ ""
#endif
#ifdef __AVX2__
#define GOPIPER_AVX2_ "avx2 "
#else
#define GOPIPER_AVX2_ ""
#endif
#ifdef __BMI__
#define GOPIPER_BMI_ "bmi1 "
#else
#define GOPIPER_BMI_ ""
#endif
#ifdef __BMI2__
#define GOPIPER_BMI2_ "bmi2 "
#else
#define GOPIPER_BMI2_ ""
#endif
#ifdef __FMA__
#define GOPIPER_FMA_ "fma "
#else
#define GOPIPER_FMA_ ""
#endif
#ifdef __F16C__
#define GOPIPER_F16C_ "f16c "
#else
#define GOPIPER_F16C_ ""
#endif
#ifdef __LZCNT__
#define GOPIPER_LZCNT_ "lzcnt "
#else
#define GOPIPER_LZCNT_ ""
#endif
#ifdef __MOVBE__
#define GOPIPER_MOVBE_ "movbe "
#else
#define GOPIPER_MOVBE_ ""
#endif
#ifdef __ADX__
#define GOPIPER_ADX_ "adx "
#else
#define GOPIPER_ADX_ ""
#endif
#ifdef __TBM__
#define GOPIPER_TBM_ "tbm "
#else
#define GOPIPER_TBM_ ""
#endif
#if defined(__AES__) || defined(__ARM_FEATURE_AES)
#define GOPIPER_AES_ "aes "
#else
#define GOPIPER_AES_ ""
#endif
#ifdef __VAES__
#define GOPIPER_VAES_ "vaes "
#else
#define GOPIPER_VAES_ ""
#endif
#ifdef __PCLMUL__
#define GOPIPER_PCLMUL_ "pclmulqdq "
#else
#define GOPIPER_PCLMUL_ ""
#endif
#ifdef __VPCLMULQDQ__
#define GOPIPER_VPCLMULQDQ_ "vpclmulqdq "
#else
#define GOPIPER_VPCLMULQDQ_ ""
#endif
#ifdef __GFNI__
#define GOPIPER_GFNI_ "gfni "
#else
#define GOPIPER_GFNI_ ""
#endif
#ifdef __SHA__
#define GOPIPER_SHA_ "sha "
#else
#define GOPIPER_SHA_ ""
#endif
#ifdef __AVX512F__
#define GOPIPER_AVX512F_ "avx512f "
#else
#define GOPIPER_AVX512F_ ""
#endif
#ifdef __AVX512BW__
#define GOPIPER_AVX512BW_ "avx512bw "
#else
#define GOPIPER_AVX512BW_ ""
#endif
#ifdef __AVX512CD__
#define GOPIPER_AVX512CD_ "avx512cd "
#else
#define GOPIPER_AVX512CD_ ""
#endif
#ifdef __AVX512DQ__
#define GOPIPER_AVX512DQ_ "avx512dq "
#else
#define GOPIPER_AVX512DQ_ ""
#endif
#ifdef __AVX512VL__
#define GOPIPER_AVX512VL_ "avx512vl "
#else
#define GOPIPER_AVX512VL_ ""
#endif
#ifdef __AVX512BF16__
#define GOPIPER_AVX512BF16_ "avx512bf16 "
#else
#define GOPIPER_AVX512BF16_ ""
#endif
#ifdef __AVX512BITALG__
#define GOPIPER_AVX512BITALG_ "avx512bitalg "
#else
#define GOPIPER_AVX512BITALG_ ""
#endif
#ifdef __AVX512IFMA__
#define GOPIPER_AVX512IFMA_ "avx512ifma "
#else
#define GOPIPER_AVX512IFMA_ ""
#endif
#ifdef __AVX512VBMI__
#define GOPIPER_AVX512VBMI_ "avx512vbmi "
#else
#define GOPIPER_AVX512VBMI_ ""
#endif
#ifdef __AVX512VBMI2__
#define GOPIPER_AVX512VBMI2_ "avx512vbmi2 "
#else
#define GOPIPER_AVX512VBMI2_ ""
#endif
#ifdef __AVX512VNNI__
#define GOPIPER_AVX512VNNI_ "avx512vnni "
#else
#define GOPIPER_AVX512VNNI_ ""
#endif
#ifdef __AVX512VP2INTERSECT__
#define GOPIPER_AVX512VP2INTERSECT_ "avx512vp2intersect "
#else
#define GOPIPER_AVX512VP2INTERSECT_ ""
#endif
#ifdef __AVX512VPOPCNTDQ__
#define GOPIPER_AVX512VPOPCNTDQ_ "avx512vpopcntdq "
#else
#define GOPIPER_AVX512VPOPCNTDQ_ ""
#endif
#ifdef __ARM_FEATURE_CRC32
#define GOPIPER_CRC_ "crc "
#else
#define GOPIPER_CRC_ ""
#endif
#ifdef __ARM_FEATURE_DOTPROD
#define GOPIPER_DOTPROD_ "dotprod "
#else
#define GOPIPER_DOTPROD_ ""
#endif
#ifdef __ARM_FEATURE_FP16_SCALAR_ARITHMETIC
#define GOPIPER_FP16_ "fp16 "
#else
#define GOPIPER_FP16_ ""
#endif
#ifdef __ARM_FEATURE_ATOMICS
#define GOPIPER_LSE_ "lse "
#else
#define GOPIPER_LSE_ ""
#endif
#ifdef __ARM_FEATURE_RCPC
#define GOPIPER_RCPC_ "rcpc "
#else
#define GOPIPER_RCPC_ ""
#endif
#ifdef __ARM_FEATURE_QRDMX
#define GOPIPER_RDM_ "rdm "
#else
#define GOPIPER_RDM_ ""
#endif
#ifdef __ARM_FEATURE_SHA2
#define GOPIPER_SHA2_ "sha2 "
#else
#define GOPIPER_SHA2_ ""
#endif
#ifdef __ARM_FEATURE_SVE
#define GOPIPER_SVE_ "sve "
#else
#define GOPIPER_SVE_ ""
#endif
#ifdef __ARM_FEATURE_SVE2
#define GOPIPER_SVE2_ "sve2 "
#else
#define GOPIPER_SVE2_ ""
#endif
#define GOPIPER_CPU_                                                                               \
  GOPIPER_SSE3_ GOPIPER_SSSE3_ GOPIPER_SSE4_1_ GOPIPER_SSE4_2_ GOPIPER_SSE4A_ GOPIPER_POPCNT_      \
  GOPIPER_AVX_ GOPIPER_AVX2_ GOPIPER_BMI_ GOPIPER_BMI2_ GOPIPER_FMA_ GOPIPER_F16C_                 \
  GOPIPER_LZCNT_ GOPIPER_MOVBE_ GOPIPER_ADX_ GOPIPER_TBM_ GOPIPER_AES_ GOPIPER_VAES_               \
  GOPIPER_PCLMUL_ GOPIPER_VPCLMULQDQ_ GOPIPER_GFNI_ GOPIPER_SHA_ GOPIPER_AVX512F_                  \
  GOPIPER_AVX512BW_ GOPIPER_AVX512CD_ GOPIPER_AVX512DQ_ GOPIPER_AVX512VL_ GOPIPER_AVX512BF16_      \
  GOPIPER_AVX512BITALG_ GOPIPER_AVX512IFMA_ GOPIPER_AVX512VBMI_ GOPIPER_AVX512VBMI2_               \
  GOPIPER_AVX512VNNI_ GOPIPER_AVX512VP2INTERSECT_ GOPIPER_AVX512VPOPCNTDQ_                         \
  GOPIPER_CRC_ GOPIPER_DOTPROD_ GOPIPER_FP16_ GOPIPER_LSE_ GOPIPER_RCPC_ GOPIPER_RDM_              \
  GOPIPER_SHA2_ GOPIPER_SVE_ GOPIPER_SVE2_
