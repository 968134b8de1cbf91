/* Everything that a program in C can do with pipelines. Arguments: the components blocks,
 * everything and file, and an empty folder. */
#define _POSIX_C_SOURCE 200809L
#include <gopiper.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MUST(condition) \
  do { \
    if (!(condition)) { \
      fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition); \
      exit(EXIT_FAILURE); \
    } \
  } while (0)

static const char *source, *transform, *sink, *folder;
static char into[4096]; /* The attributes of the sink. */
static atomic_int warnings;

static void log_line(void *context, uint32_t level, const char *line) {
  MUST(strcmp(context, "context") == 0);
  MUST(level >= 1 && level <= 2 && strlen(line) > 0);
  if (strstr(line, "is not sealed")) atomic_fetch_add(&warnings, 1);
}

static bool says(const gopiper_pipeline *pipeline, const char *part) {
  const char *error = gopiper_pipeline_error(pipeline);
  if (!strstr(error, part)) fprintf(stderr, "it says: %s\n", error);
  return strstr(error, part) != NULL;
}

static void to_the_end(void) {
  char options[4096];
  snprintf(options, sizeof options, "{ \"state_directory\": \"%s\" }", folder);
  gopiper_pipeline *pipeline = gopiper_pipeline_new(NULL, options);
  MUST(strcmp(gopiper_pipeline_error(pipeline), "") == 0);
  MUST(gopiper_pipeline_counters(pipeline, NULL, 0) == 0);
  MUST(gopiper_pipeline_load(pipeline, source, "{ \"lines\": 500 }", NULL));
  MUST(gopiper_pipeline_load(pipeline, transform, "{ \"text\": \"é\" }",
                             "{ \"name\": \"middle\", \"pool_size\": 2, \"channel_size\": 100, \"timeout\": 5,"
                             " \"retry\": { \"max_attempts\": 2, \"initial_backoff\": 0.01 },"
                             " \"on_fail\": \"dead_letter\" }"));
  MUST(gopiper_pipeline_load(pipeline, sink, into, NULL));
  MUST(gopiper_pipeline_start(pipeline));
  MUST(!gopiper_pipeline_start(pipeline) && says(pipeline, "a pipeline can be started only once"));
  MUST(!gopiper_pipeline_load(pipeline, sink, into, NULL) && says(pipeline, "before the pipeline starts"));
  MUST(gopiper_pipeline_wait(pipeline));
  MUST(strcmp(gopiper_pipeline_error(pipeline), "") == 0);
  MUST(gopiper_pipeline_wait(pipeline));
  gopiper_counters counters[3] = { 0 };
  /* The fourth is the sink of failed messages: there is a place to keep them. */
  MUST(gopiper_pipeline_counters(pipeline, counters, 2) == 4);
  MUST(strcmp(counters[0].component, "blocks") == 0 && strcmp(counters[1].component, "middle") == 0);
  MUST(counters[0].sent == 500 && counters[1].received == 500 && counters[1].sent == 500);
  MUST(counters[2].component == NULL);
  const gopiper_outcomes outcomes = gopiper_pipeline_outcomes(pipeline);
  MUST(outcomes.delivered == 500 && outcomes.failed == 0);
  gopiper_pipeline_free(pipeline);
}

static gopiper_pipeline *without_end(void) {
  gopiper_pipeline *pipeline = gopiper_pipeline_new("endless", "{ \"shutdown_timeout\": 5 }");
  MUST(gopiper_pipeline_load(pipeline, source, "{ \"lines\": 0 }", NULL));
  MUST(gopiper_pipeline_load(pipeline, sink, into, NULL));
  gopiper_pipeline_stop(pipeline); /* Nothing to stop yet. */
  MUST(gopiper_pipeline_start(pipeline));
  while (gopiper_pipeline_outcomes(pipeline).delivered < 100) nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
  return pipeline;
}

static void *stops(void *pipeline) {
  gopiper_pipeline_stop(pipeline);
  return NULL;
}

static void stopped(void) {
  gopiper_pipeline *pipeline = without_end();
  pthread_t other;
  MUST(pthread_create(&other, NULL, stops, pipeline) == 0);
  MUST(gopiper_pipeline_wait(pipeline));
  MUST(pthread_join(other, NULL) == 0);
  gopiper_pipeline_free(pipeline);

  pipeline = without_end();
  gopiper_pipeline_abort(pipeline);
  gopiper_pipeline_wait(pipeline);
  gopiper_pipeline_free(pipeline);

  gopiper_pipeline_free(without_end());
  gopiper_pipeline_free(NULL);
}

static void refused(void) {
  gopiper_pipeline *pipeline = gopiper_pipeline_new("wrong", "{ \"shutdown_timeut\": 1 }");
  MUST(says(pipeline, "option shutdown_timeut: does not exist; did you mean 'shutdown_timeout'?"));
  MUST(!gopiper_pipeline_load(pipeline, "/nowhere.so", NULL, NULL));
  MUST(says(pipeline, "refused: /nowhere.so cannot be read\n  found:   no such file\n  wanted:  "));
  MUST(!gopiper_pipeline_load(pipeline, source, "{ \"lines\": -1 }", "{ \"pool\": 1, \"on_fail\": \"drop\" }"));
  MUST(says(pipeline, "attribute lines: must be a whole number, 0 or more (it is -1)"));
  MUST(says(pipeline, "option on_fail: must be one of 'dead_letter', 'discard', 'stop' (it is \"drop\")"));
  MUST(says(pipeline, "option pool: does not exist; did you mean 'pool_size'?"));
  MUST(!gopiper_pipeline_load(pipeline, source, "[1]", NULL) && says(pipeline, "must be a JSON object"));
  MUST(!gopiper_pipeline_load(pipeline, source, "{ ", NULL) && says(pipeline, "cannot be read as JSON"));
  MUST(!gopiper_pipeline_load(pipeline, sink, into, "{ \"linger\": -1 }"));
  MUST(says(pipeline, "option linger: must be a number of seconds, 0 or more (it is -1)"));
  MUST(!gopiper_pipeline_wait(pipeline) && says(pipeline, "start it first"));
  MUST(!gopiper_pipeline_start(pipeline) && says(pipeline, "shutdown_timeut") && says(pipeline, "/nowhere.so"));
  gopiper_pipeline_free(pipeline);

  pipeline = gopiper_pipeline_new(NULL, NULL);
  MUST(gopiper_pipeline_load(pipeline, sink, into, NULL));
  MUST(!gopiper_pipeline_start(pipeline) && says(pipeline, "a pipeline needs at least a source and a sink"));
  gopiper_pipeline_free(pipeline);

  pipeline = gopiper_pipeline_new(NULL, NULL);
  MUST(gopiper_pipeline_load(pipeline, source, NULL, NULL));
  MUST(gopiper_pipeline_load(pipeline, transform, "{ \"text\": \"unchecked\" }", NULL));
  MUST(gopiper_pipeline_load(pipeline, sink, into, NULL));
  MUST(!gopiper_pipeline_start(pipeline) && says(pipeline, "everything cannot start: it would not work"));
  gopiper_pipeline_free(pipeline);
}

static void failed(void) {
  gopiper_pipeline *pipeline = gopiper_pipeline_new(NULL, NULL);
  MUST(gopiper_pipeline_load(pipeline, source, "{ \"lines\": 10 }", NULL));
  MUST(gopiper_pipeline_load(pipeline, transform, "{ \"text\": \"unended\" }", NULL));
  MUST(gopiper_pipeline_load(pipeline, sink, into, NULL));
  MUST(gopiper_pipeline_start(pipeline));
  MUST(!gopiper_pipeline_wait(pipeline) && says(pipeline, "everything has failed: it cannot end"));
  MUST(!gopiper_pipeline_wait(pipeline) && says(pipeline, "without success"));
  gopiper_pipeline_free(pipeline);
}

int main(int count, char **arguments) {
  MUST(count == 5);
  source = arguments[1], transform = arguments[2], sink = arguments[3], folder = arguments[4];
  snprintf(into, sizeof into, "{ \"path\": \"%s/lines\" }", folder);
  MUST(!gopiper_log_to(NULL, NULL, NULL));
  MUST(!gopiper_log_to(log_line, "context", "!=?"));
  MUST(gopiper_log_to(log_line, "context", NULL));
  MUST(!gopiper_log_to(log_line, "context", NULL));
  to_the_end();
  MUST(atomic_load(&warnings) > 0);
  stopped();
  refused();
  failed();
  puts("all is as it should be");
  return EXIT_SUCCESS;
}
