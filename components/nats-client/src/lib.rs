//! What `nats_source` and `nats_sink` share: the connection with its attributes, requests to
//! JetStream, headers as attributes of messages, and the thread that runs all this. It is not a
//! component.
mod api;
mod connect;
mod connection;
mod driver;
mod headers;

pub use crate::{
    api::ApiFailure,
    connect::{Connected, connect},
    connection::{Connection, Tls},
    driver::Driver,
    headers::Headers,
};

/// The prefix of attributes that are headers, unless an attribute of the component says otherwise.
pub const HEADER_PREFIX: &str = "header.";
