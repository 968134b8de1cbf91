/* Runs standard input through a component to standard output, and prints the counters of each at
 * the end. SIGINT and SIGTERM stop it: the source ends, the rest drains; a second one ends it at
 * once. */
#define _POSIX_C_SOURCE 200809L
#include <gopiper.h>

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void log_line(void *context, uint32_t level, const char *line) {
  (void)context;
  fprintf(stderr, "%s: %s\n", level == 1 ? "error" : level == 2 ? "warning" : "note", line);
}

/* SIGUSR1 is this program's own: it ends the thread that waits. */
static sigset_t awaited(void) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGUSR1);
  return signals;
}

/* Functions of a pipeline are not for signal handlers: a thread waits for the signals. */
static void *wait_for_signals(void *pipeline) {
  sigset_t signals = awaited();
  int signal, stops = 0;
  while (sigwait(&signals, &signal) == 0 && signal != SIGUSR1) {
    if (stops++ == 0) gopiper_pipeline_stop(pipeline);
    else gopiper_pipeline_abort(pipeline);
  }
  return NULL;
}

static int fail(gopiper_pipeline *pipeline) {
  fprintf(stderr, "%s\n", gopiper_pipeline_error(pipeline));
  gopiper_pipeline_free(pipeline);
  return EXIT_FAILURE;
}

int main(int count, char **arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: %s STDIN_COMPONENT.so COMPONENT.so STDOUT_COMPONENT.so\n", arguments[0]);
    return EXIT_FAILURE;
  }
  /* Before any other thread exists: they inherit it. */
  sigset_t signals = awaited();
  pthread_sigmask(SIG_BLOCK, &signals, NULL);

  gopiper_log_to(log_line, NULL, "warn");
  gopiper_pipeline *pipeline = gopiper_pipeline_new("example", "{ \"shutdown_timeout\": 10 }");
  gopiper_pipeline_load(pipeline, arguments[1], NULL, NULL);
  gopiper_pipeline_load(pipeline, arguments[2], NULL, "{ \"name\": \"middle\", \"pool_size\": 2 }");
  gopiper_pipeline_load(pipeline, arguments[3], NULL, "{ \"on_fail\": \"stop\" }");
  /* This reports everything that could not be loaded. */
  if (!gopiper_pipeline_start(pipeline)) return fail(pipeline);
  pthread_t waiting;
  if (pthread_create(&waiting, NULL, wait_for_signals, pipeline) != 0) abort();
  const bool success = gopiper_pipeline_wait(pipeline);
  pthread_kill(waiting, SIGUSR1);
  pthread_join(waiting, NULL);

  gopiper_counters counters[3];
  gopiper_pipeline_counters(pipeline, counters, 3);
  for (int i = 0; i < 3; i++) {
    fprintf(stderr, "%s: received %" PRIu64 ", sent %" PRIu64 ", dropped %" PRIu64 ", failed %" PRIu64 "\n",
            counters[i].component, counters[i].received, counters[i].sent, counters[i].dropped,
            counters[i].failed);
  }
  if (!success) return fail(pipeline);
  gopiper_pipeline_free(pipeline);
  return EXIT_SUCCESS;
}
