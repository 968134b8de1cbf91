//! How far each partition has been delivered. Knows nothing of librdkafka.
mod ledger;
mod partitions;

pub(crate) use self::partitions::{Partitions, Place};
