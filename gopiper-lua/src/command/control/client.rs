//! Asks a running gopiper over its control socket.
use std::{io, ops::ControlFlow, path::PathBuf, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::UnixStream, runtime, time::timeout};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running gopiper.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) socket: PathBuf,
}

impl Process {
    /// Whether it has ended: nothing listens at its socket any more.
    pub(crate) fn has_ended(&self) -> bool {
        std::os::unix::net::UnixStream::connect(&self.socket).is_err()
    }

    /// The object at a path of its interface.
    ///
    /// # Errors
    /// The reason why it does not answer or refuses, as text.
    pub(crate) fn get(&self, path: &str) -> Result<Value, String> {
        self.on_runtime(async {
            let body = in_time(self.ask(path)).await?;
            serde_json::from_slice(&body).map_err(io::Error::other)
        })
    }

    /// Calls `line` with each line of a streamed answer, until the answer ends or `line` breaks.
    ///
    /// # Errors
    /// The reason why it does not answer or refuses, as text.
    pub(crate) fn follow(
        &self,
        path: &str,
        mut line: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), String> {
        self.on_runtime(async {
            let mut body = in_time(self.send(path)).await?.into_body();
            let mut begun = Vec::new();
            // If the answer breaks off, the process has ended.
            while let Some(Ok(frame)) = body.frame().await {
                begun.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
                while let Some(end) = begun.iter().position(|byte| *byte == b'\n') {
                    let whole: Vec<u8> = begun.drain(..=end).collect();
                    if line(&whole[..end]).is_break() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        })
    }

    fn on_runtime<T>(&self, work: impl Future<Output = io::Result<T>>) -> Result<T, String> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let done = runtime.and_then(|runtime| runtime.block_on(work));
        done.map_err(|error| format!("process {}: {error}", self.pid))
    }

    async fn ask(&self, path: &str) -> io::Result<Bytes> {
        let body = self.send(path).await?.into_body().collect().await;
        Ok(body.map_err(io::Error::other)?.to_bytes())
    }

    /// Sends a request. A refusal is an error with the text of the answer.
    async fn send(&self, path: &str) -> io::Result<Response<Incoming>> {
        let stream = UnixStream::connect(&self.socket).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let request = Request::get(path).header(header::HOST, "localhost");
        let request = request.body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
        let answer = sender.send_request(request).await.map_err(io::Error::other)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let body = answer.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        Err(io::Error::other(String::from_utf8_lossy(&body).trim().to_owned()))
    }
}

/// The path of a request, with the values that are given.
pub(crate) fn query<'a>(
    path: &str,
    pairs: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> String {
    let given = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let path = format!("{path}?");
    let begin = path.len();
    form_urlencoded::Serializer::for_suffix(path, begin).extend_pairs(given).finish()
}

async fn in_time<T>(answer: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(io::Error::other("it does not answer")))
}
