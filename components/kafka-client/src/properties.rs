//! Properties of librdkafka that an operator may not set, and why.
use std::collections::BTreeMap;

use gopiper_abi::Error;
use rdkafka::{ClientConfig, error::KafkaError};

/// A property that is refused, with the reason and what to do.
pub type Reserved = (&'static str, &'static str);

/// Those of every component.
const COMMON: &[Reserved] = &[
    ("bootstrap.servers", "set connection.brokers"),
    ("metadata.broker.list", "set connection.brokers"),
    ("client.id", "set connection.client_id"),
    ("security.protocol", "it follows from connection.tls and connection.sasl"),
    ("sasl.mechanism", "set connection.sasl"),
    ("sasl.mechanisms", "set connection.sasl"),
    ("sasl.username", "set connection.sasl"),
    ("sasl.password", "set connection.sasl"),
    ("ssl.ca.location", "set connection.tls.ca"),
    ("ssl.certificate.location", "set connection.tls.certificate"),
    ("ssl.key.location", "set connection.tls.key"),
    ("ssl.key.password", "set connection.tls.key_password"),
    ("log.queue", "librdkafka's log goes into gopiper's"),
    ("log_level", "choose the lines with GOPIPER_LOG"),
    ("enabled_events", "gopiper needs all events"),
    ("plugin.library.paths", "it would load code that nothing has checked"),
];

pub(crate) fn refuse(
    properties: &BTreeMap<String, String>,
    reserved: &[Reserved],
) -> Result<(), Error> {
    for name in properties.keys() {
        let found = COMMON.iter().chain(reserved).find(|(refused, _)| refused == name);
        if let Some((name, reason)) = found {
            let problem = format!("'{name}' is not an operator's: {reason}");
            return Err(Error::attribute("connection.properties", problem));
        }
    }
    Ok(())
}

/// Whether librdkafka takes each property by itself.
///
/// # Errors
/// A property that there is not, or with a wrong value.
pub fn check_config(config: &ClientConfig) -> Result<(), Error> {
    match config.create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(_, description, name, _)) => {
            let problem = format!("'{name}': {description}");
            Err(Error::attribute("connection.properties", problem))
        }
        Err(error) => Err(Error::attribute("connection.properties", error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_promise_is_refused_with_the_reason() {
        let properties = |name: &str| BTreeMap::from([(name.to_owned(), "x".to_owned())]);
        let reserved = [("enable.auto.commit", "gopiper commits what is settled")];
        for name in ["enable.auto.commit", "client.id", "plugin.library.paths"] {
            let refused = refuse(&properties(name), &reserved).unwrap_err().to_string();
            assert!(refused.contains(name) && refused.contains(": "), "{refused}");
        }
        refuse(&properties("group.instance.id"), &reserved).unwrap();
    }

    #[test]
    fn what_librdkafka_does_not_take_is_named() {
        for (name, value) in [("no.such.thing", "1"), ("linger.ms", "abc")] {
            let mut config = ClientConfig::new();
            let refused = check_config(config.set(name, value)).unwrap_err().to_string();
            assert!(refused.contains("connection.properties"), "{refused}");
            assert!(refused.contains(name), "{refused}");
        }
        check_config(ClientConfig::new().set("compression.codec", "zstd")).unwrap();
    }
}
