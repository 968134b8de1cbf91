//! What the components for Kafka share: the attributes of a connection, what librdkafka says of it,
//! the first question to the cluster, and headers.
mod access;
mod ask;
mod field;
mod headers;
mod properties;
mod watcher;

pub use self::{
    access::{ClusterAccess, Sasl, SaslMechanism, Security},
    ask::{Asked, ask},
    field::{field_bytes, read_field},
    headers::{read_headers, write_headers},
    properties::{Reserved, check_config},
    watcher::Watcher,
};

/// What the names of attributes begin with that are headers.
pub const HEADER_PREFIX: &str = "header.";
