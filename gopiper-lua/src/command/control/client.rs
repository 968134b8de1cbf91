//! Asks a running gopiper over its control socket.
use std::{io, path::PathBuf, time::Duration};

use clap::Args;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::UnixStream, runtime, time::timeout};

use super::folder::running;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which of the running processes is meant.
#[derive(Debug, Args)]
pub(crate) struct ProcessArguments {
    /// The number of the process, if several of yours run: gopiper list --running shows them.
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Option<u32>,
}

impl ProcessArguments {
    /// The process.
    ///
    /// # Errors
    /// There is none, or there are several and no number.
    pub(crate) fn process(&self) -> Result<Process, String> {
        let mut running = running();
        match self.pid {
            Some(pid) => {
                let found = running.into_iter().find(|process| process.pid == pid);
                found.ok_or_else(|| {
                    format!("no gopiper of yours runs as {pid}: gopiper list --running shows them")
                })
            }
            None if running.len() > 1 => {
                let all: Vec<_> = running.iter().map(|process| process.pid.to_string()).collect();
                Err(format!("{} run: give --pid, one of {}", all.len(), all.join(", ")))
            }
            None => running.pop().ok_or_else(|| {
                "no gopiper of yours runs: ask as the user that it runs as".to_owned()
            }),
        }
    }
}

/// A running gopiper.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) socket: PathBuf,
}

impl Process {
    /// The object at a path of its interface.
    ///
    /// # Errors
    /// It does not answer, or refuses: why.
    pub(crate) fn get(&self, path: &str) -> Result<Value, String> {
        let not = |error: &dyn std::fmt::Display| format!("process {}: {error}", self.pid);
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| not(&error))?;
        let answer = runtime.block_on(timeout(PATIENCE, self.ask(path)));
        let body = answer.map_err(|_| not(&"it does not answer"))?.map_err(|error| not(&error))?;
        serde_json::from_slice(&body).map_err(|error| not(&error))
    }

    async fn ask(&self, path: &str) -> io::Result<Bytes> {
        let stream = UnixStream::connect(&self.socket).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let request = Request::get(path).header(header::HOST, "localhost");
        let request = request.body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
        let answer = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        match status.is_success() {
            true => Ok(body),
            false => Err(io::Error::other(String::from_utf8_lossy(&body).trim().to_owned())),
        }
    }
}
