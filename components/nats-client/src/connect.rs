//! Connecting, and what happens to a connection, as lines of the log.
use std::{
    error::Error as _,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use async_nats::{Client, ConnectErrorKind, Event, connection::State, jetstream};
use gopiper_abi::{Error, Host};
use tokio::sync::watch;

use crate::connection::Connection;

/// A connection.
#[derive(Debug, Clone)]
pub struct Connected {
    pub client: Client,
    pub jetstream: jetstream::Context,
    /// What the subjects of JetStream's questions begin with.
    pub api: String,
    /// Counts how often the connection was made: its value changes when it is there again.
    pub times: watch::Receiver<u64>,
}

impl Connected {
    /// Whether the server can be reached at the moment.
    pub fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Whether the server is at least so new.
    pub fn has_version(&self, major: i64, minor: i64, patch: i64) -> bool {
        self.client.is_server_compatible(major, minor, patch)
    }
}

/// Connects. A subscription holds up to `capacity` messages; each one that finds no room is lost,
/// and `lost` is called.
///
/// # Errors
/// No server accepts the connection: temporary, unless another attempt can be no better.
pub async fn connect(
    connection: &Connection,
    capacity: usize,
    host: &Host,
    lost: impl Fn() + Send + Sync + 'static,
) -> Result<Connected, Error> {
    let (made, times) = watch::channel(0);
    let events = Arc::new(Events { host: host.clone(), last: Mutex::default(), made });
    let lost = Arc::new(lost);
    let options = connection.options()?.subscription_capacity(capacity).event_callback({
        move |event| {
            let (events, lost) = (events.clone(), lost.clone());
            async move {
                if matches!(event, Event::SlowConsumer(_)) {
                    lost();
                }
                events.on(&event);
            }
        }
    });
    let addresses = connection.addresses()?;
    let client = options.connect(addresses).await.map_err(|error| refusal(connection, &error))?;
    let api = match &connection.domain {
        None => "$JS.API".to_owned(),
        Some(domain) => format!("$JS.{domain}.API"),
    };
    let mut jetstream = jetstream::with_prefix(client.clone(), &api);
    jetstream.set_timeout(connection.timeout());
    Ok(Connected { client, jetstream, api, times })
}

/// The causes of an error, from the outermost on.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

/// Whether TLS has failed in a way that waiting does not mend.
fn is_of_tls(error: &async_nats::ConnectError) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        let io_error = inner.downcast_ref::<io::Error>();
        if io_error.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData) {
            return true;
        }
        cause = inner.source();
    }
    error.kind() == ConnectErrorKind::Tls
}

fn refusal(connection: &Connection, error: &async_nats::ConnectError) -> Error {
    let (servers, text) = (connection.shown(), with_causes(error));
    let attribute =
        |name: &str, problem: String| Error::attribute(format!("connection.{name}"), problem);
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation => attribute(
            "servers",
            format!(
                "{servers} does not accept who connects: give the user and password, token, nkey \
                 or credentials that it knows"
            ),
        ),
        ConnectErrorKind::Authentication => {
            attribute("nkey", format!("cannot be used: {text}: give the seed (SU…)"))
        }
        ConnectErrorKind::ServerParse => attribute("servers", format!("{servers}: {text}")),
        _ if is_of_tls(error) => attribute(
            "tls",
            format!(
                "no connection to {servers}: {text}: the certificates of both sides have to fit \
                 tls.ca, and the name in the address"
            ),
        ),
        _ => attribute("servers", format!("no connection to {servers}: {text}")).temporary(),
    }
}

/// Logs changes of the connection.
struct Events {
    host: Host,
    /// What was said last: the same is not said twice.
    last: Mutex<Option<String>>,
    made: watch::Sender<u64>,
}

impl Events {
    fn on(&self, event: &Event) {
        if *event == Event::Connected {
            self.made.send_modify(|times| *times += 1);
        }
        let text = match event {
            Event::Connected => "connected".to_owned(),
            Event::Disconnected => "the connection to the server is lost: connecting again".into(),
            Event::LameDuckMode => "the server is about to stop".into(),
            Event::SlowConsumer(_) => {
                "messages are lost: they come faster than they are taken".into()
            }
            Event::ServerError(error) => format!("the server says: {error}"),
            Event::ClientError(error) => format!("no connection: {error}"),
            Event::Draining | Event::Closed => return,
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() == Some(&text) {
            return;
        }
        self.host.scope(|| match event {
            Event::Connected => log::info!("{text}"),
            Event::SlowConsumer(_) | Event::ServerError(_) => log::error!("{text}"),
            _ => log::warn!("{text}"),
        });
        *last = Some(text);
    }
}
