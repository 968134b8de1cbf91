//! The HTTP server of `gopiper run`, off unless the operator asks for it: metrics, health,
//! readiness.
//!
//! It reads what workers have counted, on a thread of its own. Nothing here may make a message
//! wait, show what a message contains, or change a pipeline.
mod access;
mod readiness;
mod response;
mod server;

use std::{fs, io, net::SocketAddr, path::PathBuf};

use clap::Args;

use self::access::Access;
pub(crate) use self::server::Server;
use crate::command::process::signals::Stops;

#[derive(Debug, Args)]
pub(crate) struct HttpArguments {
    /// Serve /metrics, /health and /ready by HTTP at this address, for example 127.0.0.1:9598. An
    /// address that other machines can reach needs a token.
    #[arg(long, env = "GOPIPER_HTTP", value_name = "ADDRESS:PORT")]
    http: Option<SocketAddr>,
    /// The file with the token that requests have to bring (Authorization: Bearer TOKEN), unless
    /// they come from this machine to a loopback address.
    #[arg(long, env = "GOPIPER_HTTP_TOKEN_FILE", value_name = "FILE", requires = "http")]
    http_token_file: Option<PathBuf>,
}

/// The shortest token: shorter ones can be guessed.
const SHORTEST_TOKEN: usize = 16;

impl HttpArguments {
    /// Starts the server, if it is asked for. It ends with the program.
    ///
    /// # Errors
    /// The options do not fit together, or the address cannot be used, in words.
    pub(crate) fn serve(&self, stops: &Stops) -> Result<Option<Server>, String> {
        let Some(address) = self.http else { return Ok(None) };
        let token = self.token()?;
        if token.is_none() && !address.ip().is_loopback() {
            return Err(format!(
                "--http {address}: other machines can reach this address, so it needs a token: \
                 give --http-token-file, or use 127.0.0.1:{}",
                address.port()
            ));
        }
        let access = Access::new(token, address.ip().is_loopback());
        let server = Server::start(address, access, stops.clone());
        server.map(Some).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "--http {address}: another program has this port: use another one, or port 0 for a \
                 free one"
            ),
            _ => format!("--http {address}: {error}"),
        })
    }

    fn token(&self) -> Result<Option<String>, String> {
        let Some(file) = &self.http_token_file else { return Ok(None) };
        let shown = file.display();
        let text = fs::read_to_string(file)
            .map_err(|error| format!("--http-token-file {shown}: it cannot be read: {error}"))?;
        let token = text.trim();
        let fits = token.len() >= SHORTEST_TOKEN && token.bytes().all(|it| it.is_ascii_graphic());
        match fits {
            true => Ok(Some(token.to_owned())),
            false => Err(format!(
                "--http-token-file {shown}: a token is a line of at least {SHORTEST_TOKEN} visible \
                 ASCII characters: make one with 'openssl rand -hex 32'"
            )),
        }
    }
}
