//! The HTTP server of `gopiper run`: metrics, health, readiness, reports as JSON, taps, traces,
//! dead letters, and a page for people. It always listens on the control socket, and on a port if
//! the operator asks for one.
//!
//! It reads what workers have counted, on its own thread. Only taps, traces, failures and dead
//! letters show contents of messages. Nothing here makes a message wait, or changes a pipeline: a
//! replay of dead letters runs as a separate process.
mod access;
mod answer;
mod api;
mod events;
mod layout;
mod letters;
mod live;
mod message;
mod page;
mod response;
mod routes;
mod server;
mod state;

use std::{
    env::{self, VarError},
    fs, io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
};

use clap::Args;
use tracing::info;

pub(crate) use self::state::served::Served;
use self::{
    access::{Access, Reach},
    server::Listeners,
};
use crate::command::{
    control::ControlSocket,
    process::{shared_process::remove_at_end, signals::Stops},
};

#[derive(Debug, Default, Args)]
pub(crate) struct HttpArguments {
    /// Serve a live page of the pipelines, /metrics, /health, /ready and /api/v1 by HTTP at this
    /// address, for example 127.0.0.1:9598. An address that other machines can reach needs a token;
    /// messages, failures and dead letters always do.
    #[arg(long, env = "GOPIPER_HTTP", value_name = "ADDRESS:PORT", value_parser = address)]
    http: Option<SocketAddr>,
    /// The file with the token that requests must send (Authorization: Bearer TOKEN). At a loopback
    /// address, only requests that show parts of messages, or change dead letters, need it.
    #[arg(long, env = "GOPIPER_HTTP_TOKEN_FILE", value_name = "FILE", requires = "http")]
    http_token_file: Option<PathBuf>,
    /// The environment variable with that token.
    #[arg(long, value_name = "NAME", requires = "http", conflicts_with = "http_token_file")]
    http_token_env: Option<String>,
}

/// The address of `--http`.
fn address(text: &str) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    local.as_deref().unwrap_or(text).parse().map_err(|_| {
        // The port, if that is all that was given.
        let port = text.strip_prefix(':').unwrap_or(text).parse::<u16>();
        let port = port.map_or_else(|_| "9598".to_owned(), |port| port.to_string());
        format!("give localhost or an IP address, and a port, for example --http 127.0.0.1:{port}")
    })
}

/// The server of this process. It answers until the process ends. The file of the control socket is
/// removed when this is dropped.
pub(crate) struct Server {
    address: Option<SocketAddr>,
    _control: Option<ControlSocket>,
}

impl Server {
    /// Logs the address: with port 0, the system has chosen the port.
    pub(crate) fn announce(&self) {
        if let Some(address) = self.address {
            info!("HTTP: a live page, /metrics, /health, /ready and /api/v1 at http://{address}");
        }
    }
}

/// The length of the shortest token. Shorter ones can be guessed.
const SHORTEST_TOKEN: usize = 16;

impl HttpArguments {
    /// Starts the server on the control socket, and on the address of `--http`. It ends with the
    /// program.
    ///
    /// # Errors
    /// The options do not fit together, or the address cannot be used, as text.
    pub(crate) fn serve(&self, served: Served, stops: &Stops) -> Result<Server, String> {
        let tcp = self.listen()?;
        let address = tcp.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
        let control = ControlSocket::open();
        if let Err(error) = &control {
            info!("there is no control socket, so gopiper top does not find this run: {error}");
        }
        let control = control.ok();
        control.iter().for_each(|socket| remove_at_end(socket.path().to_owned()));
        let listener = control.as_ref().and_then(|socket| socket.listener.try_clone().ok());
        match (Listeners { tcp, control: listener }).serve(served, stops.clone()) {
            Ok(()) => Ok(Server { address, _control: control }),
            // The operator has not asked for a server, so the run goes on without one.
            Err(error) if address.is_none() => {
                info!("there is no control socket, as its thread cannot start: {error}");
                Ok(Server { address, _control: None })
            }
            Err(error) => Err(format!(
                "--http: the thread of the server cannot start: {error}; raise the limit of \
                 processes (ulimit -u), or leave --http out"
            )),
        }
    }

    fn listen(&self) -> Result<Option<(TcpListener, Access)>, String> {
        let Some(address) = self.http else { return Ok(None) };
        let token = self.token()?;
        if token.is_none() && !address.ip().is_loopback() {
            return Err(format!(
                "--http {address}: other machines can reach this address, so it needs a token: \
                 give --http-token-file or --http-token-env, or use 127.0.0.1:{}",
                address.port()
            ));
        }
        let reach = if address.ip().is_loopback() { Reach::Machine } else { Reach::Network };
        let listener = TcpListener::bind(address)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        match listener {
            Ok(listener) => Ok(Some((listener, Access::new(reach, token)))),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(format!(
                "--http {address}: another program has this port: use another one, or port 0 for a \
                 free one"
            )),
            Err(error) => Err(format!("--http {address}: {error}")),
        }
    }

    fn token(&self) -> Result<Option<String>, String> {
        let (shown, text) = match (&self.http_token_file, &self.http_token_env) {
            (Some(file), _) => {
                let shown = format!("--http-token-file {}", file.display());
                let text = fs::read_to_string(file)
                    .map_err(|error| format!("{shown}: it cannot be read: {error}"))?;
                (shown, text)
            }
            (None, Some(name)) => {
                let shown = format!("--http-token-env {name}");
                let text = env::var(name).map_err(|error| match error {
                    VarError::NotPresent => format!("{shown}: there is no such variable"),
                    VarError::NotUnicode(_) => format!("{shown}: its value is not text"),
                })?;
                (shown, text)
            }
            (None, None) => return Ok(None),
        };
        let token = text.trim();
        let fits = token.len() >= SHORTEST_TOKEN && token.bytes().all(|it| it.is_ascii_graphic());
        match fits {
            true => Ok(Some(token.to_owned())),
            false => Err(format!(
                "{shown}: a token is a line of at least {SHORTEST_TOKEN} visible \
                 ASCII characters: make one with 'openssl rand -hex 32'"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn an_address_has_a_port_and_may_be_localhost() {
        for (text, expected) in [
            ("127.0.0.1:9598", "127.0.0.1:9598"),
            ("localhost:9872", "127.0.0.1:9872"),
            ("0.0.0.0:0", "0.0.0.0:0"),
            ("[::1]:9598", "[::1]:9598"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected);
        }
        for (text, example) in [
            ("9899", "--http 127.0.0.1:9899"),
            (":9899", "--http 127.0.0.1:9899"),
            ("localhost", "--http 127.0.0.1:9598"),
            ("localhost:", "--http 127.0.0.1:9598"),
            ("host.test:9899", "--http 127.0.0.1:9598"),
        ] {
            let said = address(text).unwrap_err();
            assert!(said.starts_with("give localhost or an IP address") && said.ends_with(example));
        }
    }
}
