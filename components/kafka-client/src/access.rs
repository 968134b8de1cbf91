//! The attributes of a connection, which are the same in all components.
use std::{collections::BTreeMap, time::Duration};

use gopiper_abi::{Error, FilePath, attributes};
use rdkafka::{ClientConfig, config::RDKafkaLogLevel};

use crate::properties::{self, Reserved};

attributes! {
    /// The brokers of a cluster, and how to connect to them.
    pub struct ClusterAccess {
        /// Some brokers of the cluster, each `HOST:PORT`. The others are learned from them.
        pub brokers: Vec<String>,
        /// Demand TLS; `{}` with the certificates of the system.
        pub tls: Option<Security>,
        /// Log in.
        pub sasl: Option<Sasl>,
        /// The name that the brokers show for this client.
        pub client_id: String = "gopiper".into(),
        /// The cluster's name in the identities of messages, instead of the id that the brokers
        /// give. Two clusters must not have the same one.
        pub cluster: Option<String>,
        /// How long to wait for the brokers at the start, in milliseconds, before the next attempt.
        pub timeout_ms: u64 = 10_000,
        /// Further properties of librdkafka, each a text:
        /// `{ ['socket.keepalive.enable'] = 'true' }`.
        #[serde(default)]
        pub properties: BTreeMap<String, String>,
    }
}

attributes! {
    /// TLS.
    pub struct Security {
        /// The certificates of the authorities to trust instead of the system's, as PEM.
        pub ca: Option<FilePath>,
        /// The client's certificate, as PEM; with `key`.
        pub certificate: Option<FilePath>,
        /// The key of the client's certificate, as PEM.
        pub key: Option<FilePath>,
        /// The password of the key: `gopiper.secret({ env = '…' })`.
        pub key_password: Option<String>,
    }
}

attributes! {
    /// How to log in.
    pub struct Sasl {
        /// The mechanism, in Lua `'plain'`, `'scram_sha256'` or `'scram_sha512'`.
        pub mechanism: SaslMechanism = SaslMechanism::ScramSha512,
        /// The user.
        pub user: String,
        /// The password: `gopiper.secret({ env = '…' })`.
        pub password: String,
    }
}

attributes! {
    /// A mechanism of SASL.
    #[derive(Copy)]
    pub enum SaslMechanism {
        /// The password itself: with TLS alone.
        Plain,
        /// SCRAM with SHA-256.
        #[serde(rename = "scram_sha256")]
        ScramSha256,
        /// SCRAM with SHA-512.
        #[serde(rename = "scram_sha512")]
        ScramSha512,
    }
}

fn wrong(name: &str, problem: impl Into<String>) -> Error {
    Error::attribute(format!("connection.{name}"), problem.into())
}

fn readable(name: &str, path: &FilePath) -> Result<String, Error> {
    let path = path.resolved();
    let text = path.display().to_string();
    match std::fs::File::open(&path) {
        Ok(_) => Ok(text),
        Err(error) => Err(wrong(name, format!("cannot read {text}: {error}"))),
    }
}

impl ClusterAccess {
    /// Refuses what does not fit together. Opens nothing.
    ///
    /// # Errors
    /// The wrong attribute.
    pub fn validate(&self, reserved: &[Reserved]) -> Result<(), Error> {
        if self.brokers.is_empty() {
            return Err(wrong("brokers", "is empty: name a broker, '127.0.0.1:9092'"));
        }
        for broker in &self.brokers {
            let port = broker.rsplit_once(':').and_then(|(host, port)| {
                let has_host = !host.is_empty() && !broker.contains([',', '/', '@', ' ']);
                has_host.then(|| port.parse::<u16>().ok()).flatten()
            });
            if port.is_none() {
                let problem = format!("'{broker}' is not an address of a broker: HOST:PORT");
                return Err(wrong("brokers", problem));
            }
        }
        if self.timeout_ms == 0 {
            return Err(wrong("timeout_ms", "must be 1 or more"));
        }
        if self.cluster.as_ref().is_some_and(|name| name.is_empty() || name.contains('/')) {
            return Err(wrong("cluster", "must be a name, without '/'"));
        }
        if let Some(tls) = &self.tls
            && tls.certificate.is_some() != tls.key.is_some()
        {
            return Err(wrong("tls", "needs certificate and key together"));
        }
        properties::refuse(&self.properties, reserved)
    }

    /// Whether its files can be read.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn check(&self) -> Result<(), Error> {
        self.files().map(|_| ())
    }

    fn files(&self) -> Result<Vec<(&'static str, String)>, Error> {
        let Some(tls) = &self.tls else { return Ok(Vec::new()) };
        let files = [
            ("tls.ca", "ssl.ca.location", &tls.ca),
            ("tls.certificate", "ssl.certificate.location", &tls.certificate),
            ("tls.key", "ssl.key.location", &tls.key),
        ];
        let mut found = Vec::new();
        for (name, property, path) in files {
            if let Some(path) = path {
                found.push((property, readable(name, path)?));
            }
        }
        Ok(found)
    }

    /// How long to wait for the brokers at the start.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// The addresses, for an error.
    pub fn shown(&self) -> String {
        self.brokers.join(", ")
    }

    /// The configuration of librdkafka: `own` are the component's properties. Those of the operator
    /// win, except where they are refused.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn config(&self, own: &[(&str, String)]) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers.join(","));
        config.set("client.id", &self.client_id);
        // A topic that is misspelled is said, not created.
        config.set("allow.auto.create.topics", "false");
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        for (property, file) in self.files()? {
            config.set(property, file);
        }
        if let Some(password) = self.tls.as_ref().and_then(|tls| tls.key_password.as_ref()) {
            config.set("ssl.key.password", password);
        }
        if let Some(sasl) = &self.sasl {
            let mechanism = match sasl.mechanism {
                SaslMechanism::Plain => "PLAIN",
                SaslMechanism::ScramSha256 => "SCRAM-SHA-256",
                SaslMechanism::ScramSha512 => "SCRAM-SHA-512",
            };
            config.set("sasl.mechanisms", mechanism);
            config.set("sasl.username", &sasl.user).set("sasl.password", &sasl.password);
        }
        for (name, value) in own {
            config.set(*name, value);
        }
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        // Which lines are seen is decided by the host.
        let is_traced = self.properties.contains_key("debug");
        config.set_log_level(if is_traced {
            RDKafkaLogLevel::Debug
        } else {
            RDKafkaLogLevel::Info
        });
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(brokers: &[&str]) -> ClusterAccess {
        ClusterAccess {
            brokers: brokers.iter().map(|it| (*it).to_owned()).collect(),
            tls: None,
            sasl: None,
            client_id: "c".into(),
            cluster: None,
            timeout_ms: 1,
            properties: BTreeMap::new(),
        }
    }

    #[test]
    fn wrong_brokers_are_refused() {
        for right in ["a:1", "127.0.0.1:9092", "[::1]:9092"] {
            access(&[right]).validate(&[]).unwrap();
        }
        for wrong in ["a", ":9092", "a:", "a:b", "a:99999", "a:1,b:2", "kafka://a:1", ""] {
            let refused = access(&[wrong]).validate(&[]).unwrap_err().to_string();
            assert!(refused.contains("connection.brokers") && refused.contains("HOST:PORT"));
        }
        let refused = access(&[]).validate(&[]).unwrap_err().to_string();
        assert!(refused.contains("is empty"), "{refused}");
    }

    #[test]
    fn security_follows_from_tls_and_sasl() {
        let sasl =
            Sasl { mechanism: SaslMechanism::ScramSha256, user: "u".into(), password: "p".into() };
        let tls = Security { ca: None, certificate: None, key: None, key_password: None };
        let mut both = access(&["a:1", "b:2"]);
        let of = |access: &ClusterAccess| {
            let config = access.config(&[]).unwrap();
            config.create_native_config().unwrap();
            config.get("security.protocol").unwrap().to_owned()
        };
        assert_eq!(of(&both), "plaintext");
        both.sasl = Some(sasl);
        assert_eq!(of(&both), "sasl_plaintext");
        both.tls = Some(tls);
        assert_eq!(of(&both), "sasl_ssl");
        both.sasl = None;
        assert_eq!(of(&both), "ssl");
        assert_eq!(both.config(&[]).unwrap().get("bootstrap.servers"), Some("a:1,b:2"));
    }

    #[test]
    fn the_operators_properties_win_over_the_components() {
        let mut access = access(&["a:1"]);
        access.properties.insert("linger.ms".into(), "7".into());
        let config = access.config(&[("linger.ms", "5".into()), ("acks", "all".into())]).unwrap();
        assert_eq!((config.get("linger.ms"), config.get("acks")), (Some("7"), Some("all")));
    }
}
