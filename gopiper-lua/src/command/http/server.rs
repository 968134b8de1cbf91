//! The thread of the server, and its limits.
use std::{
    convert::Infallible,
    future::Future,
    io,
    net::TcpListener as StandardListener,
    os::unix::net::UnixListener as StandardUnixListener,
    pin::pin,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    access::{Access, Reach},
    events,
    response::answer,
    state::{served::Served, shared::Shared},
};
use crate::command::process::signals::Stops;
use gopiper_core::observe::ProcessorTime;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    runtime,
    sync::Semaphore,
    time::{interval, sleep, timeout},
};

/// The most connections of a listener at a time. Further ones wait until one of them ends.
const CONNECTIONS: usize = 64;
/// Threads that read dead letters and lay out graphs.
const BLOCKING_THREADS: usize = 2;
/// The most bytes of a request's head.
const HEAD: usize = 16 << 10;
/// The time that a head may take, from the moment when the connection is ready for it.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The time that a connection may last; then the client opens another one.
const CONNECTION_TIME: Duration = Duration::from_secs(300);
/// The time that its last answer may take after that.
const LAST_ANSWER: Duration = Duration::from_secs(10);
/// How often the progress of the pipelines is checked.
const LOOK: Duration = Duration::from_secs(5);

/// The listeners of a server.
pub(super) struct Listeners {
    pub(super) tcp: Option<(StandardListener, Access)>,
    pub(super) control: Option<StandardUnixListener>,
}

impl Listeners {
    /// Answers on a separate thread, which ends with the process.
    ///
    /// # Errors
    /// The thread cannot start.
    pub(super) fn serve(self, served: Served, stops: Stops) -> io::Result<()> {
        let shared = Arc::new(Shared::new(served, stops));
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name("gopiper-http")
            .max_blocking_threads(BLOCKING_THREADS)
            .build()?;
        thread::Builder::new().name("gopiper-http".into()).spawn(move || {
            runtime.block_on(async {
                // Both only fail if the descriptor is not a listener.
                if let Some(Ok(listener)) = self.control.map(UnixListener::from_std) {
                    let (shared, access) = (shared.clone(), Access::new(Reach::User, None));
                    tokio::spawn(async move {
                        let next = || async { listener.accept().await.map(|(stream, _)| stream) };
                        accept(next, shared, access).await;
                    });
                }
                if let Some((listener, access)) = self.tcp
                    && let Ok(listener) = TcpListener::from_std(listener)
                {
                    let shared = shared.clone();
                    tokio::spawn(async move {
                        let next = || async { listener.accept().await.map(|(stream, _)| stream) };
                        accept(next, shared, access).await;
                    });
                }
                let looked = shared.clone();
                tokio::spawn(async move { events::look(&looked).await });
                watch(shared).await;
            });
        })?;
        Ok(())
    }
}

async fn watch(shared: Arc<Shared>) {
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        let reports = shared.reports(&ProcessorTime::default());
        shared.readiness.lock().look(&reports, Instant::now());
    }
}

/// Serves the connections of a listener. `next` waits for the next one.
async fn accept<S, F>(next: impl Fn() -> F, shared: Arc<Shared>, access: Access)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = io::Result<S>>,
{
    let (connections, access) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(access));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        match next().await {
            Ok(stream) => {
                let (shared, access) = (shared.clone(), access.clone());
                tokio::spawn(async move {
                    serve(stream, &shared, &access).await;
                    drop(permit);
                });
            }
            // Probably too many files are open. Some of them may be closed soon.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Arc<Shared>, access: &Access) {
    let service =
        service_fn(async |request| Ok::<_, Infallible>(answer(shared, access, &request).await));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    // A connection over the control socket has no time limit, so that a tap can run on.
    if access.is_of_user() {
        let _ = connection.await;
    } else if timeout(CONNECTION_TIME, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(LAST_ANSWER, connection).await;
    }
}
