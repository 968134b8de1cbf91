//! The pipelines that rows run.

/// From $INPUT to a file in $SCRATCH.
pub(super) const FILES: &str = "local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('file_source_component.so', { paths = { os.getenv('INPUT') } }),
  gopiper.loadComponent('file_sink_component.so', {
    path = os.getenv('SCRATCH') .. '/out', sync = os.getenv('SYNC'),
  }),
})
";

/// From $INPUT to nothing.
pub(super) const FILE_TO_NULL: &str = "local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('file_source_component.so', { paths = { os.getenv('INPUT') } }),
  gopiper.loadComponent('null_component.so'),
})
";

/// From standard input to the dead letters.
pub(super) const ALL_FAIL: &str = "local gopiper = require('gopiper')
gopiper.createPipeline({
  gopiper.loadComponent('stdin_component.so', {}),
  function() return gopiper.FAIL end,
  gopiper.loadComponent('null_component.so'),
})
";

/// The file that makes a pipeline of standard input, these, and standard output.
pub(super) fn lua(between: &[&str]) -> String {
    let between: String = between.iter().map(|component| format!("  {component},\n")).collect();
    format!(
        "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('stdin_component.so', {{}}),
{between}  gopiper.loadComponent('stdout_component.so', {{}}),
}})
"
    )
}

/// From a stream of JetStream to another one, with the names that `brokers` gives.
pub(super) const NATS: &str = "local gopiper = require('gopiper')
local connection = { servers = { os.getenv('SERVER') } }
local in_flight = tonumber(os.getenv('IN_FLIGHT'))
gopiper.createPipeline({
  gopiper.loadComponent('nats_source_component.so', {
    connection = connection, stream = os.getenv('FROM'), consumer = os.getenv('GROUP'),
    create = { max_ack_pending = in_flight }, max_in_flight = in_flight,
  }),
  gopiper.loadComponent('nats_sink_component.so', {
    connection = connection, stream = os.getenv('TO'), subject = os.getenv('TO'),
    max_in_flight = in_flight,
  }),
})
";

/// From a topic of Kafka to another one, or to nothing.
pub(super) const KAFKA: &str = "local gopiper = require('gopiper')
local brokers = { os.getenv('SERVER') }
local session = { ['session.timeout.ms'] = os.getenv('SESSION_MS') }
local topic = os.getenv('TO')
gopiper.createPipeline({
  gopiper.loadComponent('kafka_source_component.so', {
    connection = { brokers = brokers, properties = session },
    topics = { os.getenv('FROM') }, group = os.getenv('GROUP'),
    commit_interval_ms = tonumber(os.getenv('COMMIT_MS')),
  }),
  topic and gopiper.loadComponent('kafka_sink_component.so', {
    connection = { brokers = brokers }, topic = topic, max_in_flight = tonumber(os.getenv('IN_FLIGHT')),
  }) or gopiper.loadComponent('null_component.so'),
})
";
