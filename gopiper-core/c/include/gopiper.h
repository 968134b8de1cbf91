// Pipelines of gopiper's components, in C. See docs/embedding.md.
//
// Generated from gopiper-core/c: do not change it here.
//
// Texts are UTF-8 and end with a NUL; what a function keeps of them it copies. No pointer that is
// passed may be NULL unless that is said.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A pipeline.
//
// `load`, `start`, `wait`, `error` and `free` are called by one thread at a time; `stop`, `abort`,
// `counters` and `outcomes` by any thread at any time. None of them by a signal handler: have a
// thread wait for the signal (sigwait), and call them from there.
typedef struct gopiper_pipeline gopiper_pipeline;

// Is given a line of the log, without its end. `level` is 1 for an error, 2 for a warning, 3, 4
// and 5 for what matters less and less. `line` is valid for the call. Called on any thread,
// several at once.
typedef void (*gopiper_log_function)(void *context, uint32_t level, const char *line);

// The counts of one component so far, in messages unless noted.
typedef struct {
  // The component's name. It belongs to the pipeline: valid until that is freed.
  const char *component;
  // Came to it.
  uint64_t received;
  // It passed on, or made itself, or (a sink) delivered.
  uint64_t sent;
  // It dropped on purpose.
  uint64_t dropped;
  // It failed with.
  uint64_t failed;
  // It kept, to make something of them.
  uint64_t kept;
  // Went back to their source, because the pipeline ended there.
  uint64_t returned;
  // How often it was given a message again.
  uint64_t retries;
} gopiper_counters;

// The outcomes so far of the messages that sources produced.
typedef struct {
  // The last component has finished all messages made from them.
  uint64_t delivered;
  // They were dropped on purpose.
  uint64_t dropped;
  // They failed, and are kept with the dead letters.
  uint64_t dead_lettered;
  // They failed and were discarded.
  uint64_t failed;
  // The pipeline ended before they were settled.
  uint64_t returned;
} gopiper_outcomes;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Has the log of all pipelines written by `write`, which gets `context`: the messages of the
// pipelines and their components, beside the errors of the functions here. `filter` selects the
// messages to write ("warn", "info", "debug", as the environment variable GOPIPER_LOG); NULL is
// "warn". Once, before the first pipeline; false if it was called before, or the filter cannot be
// read. Without it nothing is logged.
bool gopiper_log_to(gopiper_log_function write, void *context, const char *filter);

// A pipeline without components. The log and the state directory use `name`; NULL is "main".
// `options` is a JSON object, or NULL: "state_directory" (where failed messages, and what
// components must remember, are kept; without one failed messages are discarded),
// "shutdown_timeout" (seconds it may drain after a request to stop), "dead_letter_limit" (bytes).
// Errors in the options are reported by gopiper_pipeline_error, and make the start fail. Never
// NULL. Free it.
gopiper_pipeline *gopiper_pipeline_new(const char *name, const char *options);

// Loads the component in `file` (a path; it is looked for nowhere else) and puts it after those
// that there are: the source comes first, the sink last. `attributes` is a JSON object, or NULL
// for none: `gopiper inspect --load FILE` shows the attributes. `options` is a JSON object, or
// NULL: "name", "pool_size", "channel_size", "channel_bytes", "ordered", "partition_by",
// "timeout", "linger", "retry" ({"max_attempts", "initial_backoff", "max_backoff"}), "on_fail"
// ("dead_letter", "discard", "stop"), times in seconds. False if it cannot be;
// gopiper_pipeline_error says why, and the start will fail too.
bool gopiper_pipeline_load(gopiper_pipeline *pipeline,
                           const char *file,
                           const char *attributes,
                           const char *options);

// Starts it, on threads of its own. False if it cannot be, with all that is wrong in
// gopiper_pipeline_error; then none of it runs.
bool gopiper_pipeline_start(gopiper_pipeline *pipeline);

// Waits until it has ended: because its sources have, or it was stopped. True if nothing failed
// and nothing was left; else gopiper_pipeline_error says what.
bool gopiper_pipeline_wait(gopiper_pipeline *pipeline);

// Tells it to end: the sources stop, the rest drains. Does not wait. Nothing happens before the
// start.
void gopiper_pipeline_stop(const gopiper_pipeline *pipeline);

// Ends it at once: messages that are not settled go back to their source. Does not wait.
void gopiper_pipeline_abort(const gopiper_pipeline *pipeline);

// Writes what each component has done so far to `counters`, in their order, for `room` of them at
// most. Returns how many there are, 0 before the start: the loaded components, then the sink of
// failed messages, if these are kept. With room 0 `counters` may be NULL.
size_t gopiper_pipeline_counters(const gopiper_pipeline *pipeline,
                                 gopiper_counters *counters,
                                 size_t room);

// Returns the outcomes so far of the messages that its sources produced; all 0 before the start.
gopiper_outcomes gopiper_pipeline_outcomes(const gopiper_pipeline *pipeline);

// Why the last call of new, load, start or wait has failed; empty if it has not. The pipeline's:
// valid until the next of them.
const char *gopiper_pipeline_error(const gopiper_pipeline *pipeline);

// Frees it. If it runs still it is ended at once, which may take a second or two. NULL is nothing.
void gopiper_pipeline_free(gopiper_pipeline *pipeline);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus
