//! Pipelines between brokers, against bare programs on the same client libraries.
//!
//! The bare programs are examples of the crates that the components share. They ask for as many
//! messages at once as the components, have as many in flight, and acknowledge by the same rule.

use crate::checks::bench::brokers::{Broker, Traffic};
use crate::checks::bench::row::{Figure, How, Input, Row, Target};

const BARE: &str = "$BROKER_PROGRAM bare $SERVER $GROUP $FROM $TO";
const BARE_TO_NOTHING: &str = "$BROKER_PROGRAM bare $SERVER $GROUP $FROM";
const OURS: &str = "$GOPIPER run $BETWEEN_BROKERS";

const JETSTREAM: Traffic =
    Traffic { broker: Broker::Nats, bytes: 200, to_nothing: false, in_flight: None };
const KAFKA: Traffic = Traffic { broker: Broker::Kafka, ..JETSTREAM };
const KAFKA_TO_NULL: Traffic = Traffic { to_nothing: true, ..KAFKA };
/// What the memory is measured with.
const MANY: Option<usize> = Some(10_000);

/// What rows have in common.
const SPEED: Row = Row {
    name: "",
    what: "the same",
    target: Target::AtLeast(0.9),
    figure: Figure::Speed,
    how: How::Between(JETSTREAM),
    input: Input::Nothing,
    between: None,
    reference: BARE,
    ours: OURS,
};
const CPU: Row = Row { target: Target::AtMost(1.3), figure: Figure::Cpu, ..SPEED };
const MEMORY: Row = Row {
    what: "the same with 10,000 messages of 1 KB in flight",
    target: Target::AtMost(40.0),
    figure: Figure::Megabytes,
    ..SPEED
};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "jetstream",
        what: "JetStream to JetStream, messages of 200 bytes, against a bare async-nats program",
        ..SPEED
    },
    Row { name: "jetstream_cpu", ..CPU },
    Row {
        name: "jetstream_memory",
        how: How::Between(Traffic { bytes: 1000, in_flight: MANY, ..JETSTREAM }),
        ..MEMORY
    },
    Row {
        name: "kafka_null",
        what: "Kafka to nothing, messages of 200 bytes, against a bare rdkafka program",
        how: How::Between(KAFKA_TO_NULL),
        reference: BARE_TO_NOTHING,
        ..SPEED
    },
    Row {
        name: "kafka_null_cpu",
        how: How::Between(KAFKA_TO_NULL),
        reference: BARE_TO_NOTHING,
        ..CPU
    },
    Row {
        name: "kafka",
        what: "Kafka to Kafka, messages of 200 bytes, against a bare rdkafka program",
        how: How::Between(KAFKA),
        ..SPEED
    },
    Row { name: "kafka_cpu", how: How::Between(KAFKA), ..CPU },
    Row {
        name: "kafka_memory",
        how: How::Between(Traffic { bytes: 1000, in_flight: MANY, ..KAFKA }),
        ..MEMORY
    },
];
