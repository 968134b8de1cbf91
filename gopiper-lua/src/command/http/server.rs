//! The thread of the server, and its limits.
use std::{
    convert::Infallible,
    future::ready,
    io,
    net::{SocketAddr, TcpListener as StandardListener},
    pin::pin,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use gopiper_core::observe::ProcessorTime;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::Semaphore,
    time::{interval, sleep, timeout},
};
use tracing::info;

use super::{
    access::Access,
    response::{Shared, answer, reports},
};
use crate::command::process::signals::Stops;

/// Connections at a time; others wait until one of them ends.
const CONNECTIONS: usize = 64;
/// The most bytes of a request's head.
const HEAD: usize = 16 << 10;
/// How long a head may take, from the moment when the connection is ready for it.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a connection may last: the client opens another one.
const CONNECTION_TIME: Duration = Duration::from_secs(300);
/// How long its last answer may take after that.
const LAST_ANSWER: Duration = Duration::from_secs(10);
/// How often the progress of the pipelines is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// The server. Its thread ends with the process.
pub(crate) struct Server(SocketAddr);

impl Server {
    /// Listens, and answers on a thread of its own.
    ///
    /// # Errors
    /// The address cannot be used, or there can be no thread.
    pub(super) fn start(address: SocketAddr, access: Access, stops: Stops) -> io::Result<Self> {
        let listener = StandardListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { access, stops, readiness: Mutex::default() });
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("gopiper-http".into()).spawn(move || {
            runtime.block_on(async {
                tokio::spawn(watch(shared.clone()));
                // It never fails: the listener is one already.
                if let Ok(listener) = TcpListener::from_std(listener) {
                    accept(&listener, shared).await;
                }
            });
        })?;
        Ok(Server(address))
    }

    /// Says where it listens: with port 0 the system has chosen one.
    pub(crate) fn announce(&self) {
        info!("HTTP: /metrics, /health and /ready at http://{}", self.0);
    }
}

async fn watch(shared: Arc<Shared>) {
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        let reports = reports(&shared.stops.controls(), &ProcessorTime::default());
        shared.readiness.lock().look(&reports, Instant::now());
    }
}

async fn accept(listener: &TcpListener, shared: Arc<Shared>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // It is never closed.
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    serve(stream, shared).await;
                    drop(permit);
                });
            }
            // Too many open files, most likely: they may become fewer.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| ready(Ok::<_, Infallible>(answer(&shared, &request))));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    if timeout(CONNECTION_TIME, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(LAST_ANSWER, connection).await;
    }
}
