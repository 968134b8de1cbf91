//! The attributes of a connection, which are the same in all components.
use std::{io, path::PathBuf, time::Duration};

use async_nats::ConnectOptions;
use gopiper_abi::{Error, FilePath, attributes};

attributes! {
    /// The servers, and how to connect to them.
    pub struct Connection {
        /// The addresses of servers of one cluster: `nats://HOST:PORT`, or `tls://HOST:PORT`. The
        /// others of the cluster are learned from them.
        pub servers: Vec<String>,
        /// A credentials file, as `nsc generate creds` writes it.
        pub credentials: Option<FilePath>,
        /// The seed of an nkey: `gopiper.secret({ file = '…' })`.
        pub nkey: Option<String>,
        /// The user; with `password`.
        pub user: Option<String>,
        /// The password: `gopiper.secret({ env = '…' })`.
        pub password: Option<String>,
        /// The token: `gopiper.secret({ env = '…' })`.
        pub token: Option<String>,
        /// Demand TLS; `{}` with the certificates of the system.
        pub tls: Option<Tls>,
        /// The name that the server shows for this connection.
        pub name: String = "gopiper".into(),
        /// How long to wait for a connection, and for an answer of JetStream, in milliseconds.
        pub timeout_ms: u64 = 5000,
        /// The domain of JetStream, on a leaf node.
        pub domain: Option<String>,
        /// The first part of the subjects for answers, if the user's permissions ask for another
        /// one.
        pub inbox_prefix: String = "_INBOX".into(),
    }
}

attributes! {
    /// TLS.
    pub struct Tls {
        /// The certificates of the authorities to trust instead of the system's, as PEM.
        pub ca: Option<FilePath>,
        /// The client's certificate, as PEM; with `key`.
        pub certificate: Option<FilePath>,
        /// The key of the client's certificate, as PEM.
        pub key: Option<FilePath>,
        /// Begin with TLS, before the server has said anything (its `handshake_first`).
        #[serde(default)]
        pub first: bool,
    }
}

fn wrong(name: &str, problem: impl Into<String>) -> Error {
    Error::attribute(format!("connection.{name}"), problem.into())
}

/// The file of an attribute, if it can be read.
fn readable(name: &str, path: &FilePath) -> Result<PathBuf, Error> {
    let path = path.resolved();
    let opened = std::fs::File::open(&path);
    opened.map_err(|error| wrong(name, format!("cannot read {}: {error}", path.display())))?;
    Ok(path)
}

impl Connection {
    /// Refuses what does not fit together. Opens nothing.
    ///
    /// # Errors
    /// The wrong attribute.
    pub fn validate(&self) -> Result<(), Error> {
        if self.servers.is_empty() {
            return Err(wrong("servers", "is empty: name a server, 'nats://127.0.0.1:4222'"));
        }
        for server in &self.servers {
            if server.contains('@') {
                return Err(wrong("servers", "contains a user: give user and password instead"));
            }
            let known = ["nats://", "tls://"].iter().any(|scheme| server.starts_with(scheme));
            if !known || server.parse::<async_nats::ServerAddr>().is_err() {
                let problem = format!(
                    "'{server}' is not an address of a server: nats://HOST:PORT or tls://HOST:PORT"
                );
                return Err(wrong("servers", problem));
            }
        }
        if self.user.is_some() != self.password.is_some() {
            let (there, missing) =
                if self.user.is_some() { ("user", "password") } else { ("password", "user") };
            return Err(wrong(there, format!("needs {missing}, too")));
        }
        let ways = [
            ("credentials", self.credentials.is_some()),
            ("nkey", self.nkey.is_some()),
            ("user", self.user.is_some()),
            ("token", self.token.is_some()),
        ];
        let given: Vec<_> = ways.iter().filter(|(_, is_given)| *is_given).collect();
        if let [(first, _), (second, _), ..] = given[..] {
            return Err(wrong(second, format!("does not go together with {first}: give one")));
        }
        if self.timeout_ms == 0 {
            return Err(wrong("timeout_ms", "must be 1 or more"));
        }
        if let Some(tls) = &self.tls
            && tls.certificate.is_some() != tls.key.is_some()
        {
            return Err(wrong("tls", "needs certificate and key together"));
        }
        Ok(())
    }

    /// Whether its files can be read.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn check(&self) -> Result<(), Error> {
        let tls = self.tls.as_ref();
        let files = [
            ("credentials", self.credentials.as_ref()),
            ("tls.ca", tls.and_then(|tls| tls.ca.as_ref())),
            ("tls.certificate", tls.and_then(|tls| tls.certificate.as_ref())),
            ("tls.key", tls.and_then(|tls| tls.key.as_ref())),
        ];
        for (name, path) in files {
            if let Some(path) = path {
                readable(name, path)?;
            }
        }
        Ok(())
    }

    /// How long to wait for a connection or an answer.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// The addresses, for an error.
    pub(crate) fn shown(&self) -> String {
        self.servers.join(", ")
    }

    /// The options of the client. Reads the files.
    pub(crate) fn options(&self) -> Result<ConnectOptions, Error> {
        let mut options = ConnectOptions::new()
            .name(&self.name)
            .custom_inbox_prefix(&self.inbox_prefix)
            .connection_timeout(self.timeout())
            .request_timeout(Some(self.timeout()));
        if let Some(path) = &self.credentials {
            let path = readable("credentials", path)?;
            let use_it = |text: String| options.credentials(&text);
            let read = std::fs::read_to_string(&path).and_then(use_it);
            options = read.map_err(|error| {
                let problem = format!("{} is not a credentials file: {error}", path.display());
                wrong("credentials", problem)
            })?;
        }
        if let Some(seed) = &self.nkey {
            options = options.nkey(seed.trim().to_owned());
        }
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            options = options.user_and_password(user.clone(), password.clone());
        }
        if let Some(token) = &self.token {
            options = options.token(token.clone());
        }
        if let Some(tls) = &self.tls {
            options = options.require_tls(true);
            if tls.first {
                options = options.tls_first();
            }
            if let Some(ca) = &tls.ca {
                options = options.add_root_certificates(readable("tls.ca", ca)?);
            }
            if let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) {
                let certificate = readable("tls.certificate", certificate)?;
                options = options.add_client_certificate(certificate, readable("tls.key", key)?);
            }
        }
        Ok(options)
    }

    /// The addresses as the client wants them.
    pub(crate) fn addresses(&self) -> io::Result<Vec<async_nats::ServerAddr>> {
        self.servers.iter().map(|server| server.parse()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection {
            servers: vec!["nats://127.0.0.1:4222".into()],
            credentials: None,
            nkey: None,
            user: None,
            password: None,
            token: None,
            tls: None,
            name: "n".into(),
            timeout_ms: 1,
            domain: None,
            inbox_prefix: "_INBOX".into(),
        }
    }

    fn refusal(connection: Connection) -> String {
        connection.validate().unwrap_err().to_string()
    }

    #[test]
    fn wrong_servers_are_refused() {
        connection().validate().unwrap();
        let with = |server: &str| Connection { servers: vec![server.into()], ..connection() };
        with("tls://a.example").validate().unwrap();
        for wrong in ["127.0.0.1:4222", "http://a", "ws://a", "nats://a:b:c", ""] {
            let refusal = refusal(with(wrong));
            assert!(refusal.contains("connection.servers"), "{refusal}");
            assert!(refusal.contains("nats://HOST:PORT"), "{refusal}");
        }
        let refused = refusal(with("nats://me:secret@a"));
        assert!(refused.contains("user and password") && !refused.contains("secret"), "{refused}");
        assert!(refusal(Connection { servers: vec![], ..connection() }).contains("is empty"));
    }

    #[test]
    fn one_way_to_log_in() {
        let text = || Some("x".to_owned());
        let refused = refusal(Connection { user: text(), ..connection() });
        assert!(refused.contains("needs password"), "{refused}");
        let two = Connection { nkey: text(), token: text(), ..connection() };
        let refused = refusal(two);
        assert!(refused.contains("connection.token") && refused.contains("nkey"), "{refused}");
        Connection { user: text(), password: text(), ..connection() }.validate().unwrap();
    }
}
