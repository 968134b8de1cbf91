//! The thread with the runtime: one for each component, which stays inside of its file.
use std::{
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use gopiper_abi::{Error, Host};
use tokio::{runtime, task::LocalSet};

/// How long the thread may take for its end, beyond the limits of its own.
const SPARE: Duration = Duration::from_secs(5);

/// A thread that runs a future to its end.
#[derive(Debug)]
pub struct Driver {
    ended: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Driver {
    /// Starts the thread. Lines of the log that it writes are the component's.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start<F>(name: &str, host: &Host, work: F) -> Result<Self, Error>
    where
        F: AsyncFnOnce() + Send + 'static,
    {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name(name)
            .max_blocking_threads(2)
            .build()?;
        let (has_ended, ended) = mpsc::channel();
        let host = host.clone();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            host.scope(|| LocalSet::new().block_on(&runtime, work()));
            // A name that is being looked up may take longer.
            runtime.shutdown_background();
            drop(has_ended);
        })?;
        Ok(Driver { ended, thread: Some(thread) })
    }

    /// Starts the thread, and waits for the result of its first part.
    ///
    /// # Errors
    /// The thread cannot be started, or its first part has failed.
    pub fn start_with<T, F>(name: &str, host: &Host, work: F) -> Result<(Self, T), Error>
    where
        T: Send + 'static,
        F: AsyncFnOnce(Begun<T>) + Send + 'static,
    {
        let (begun, result) = mpsc::channel();
        let driver = Self::start(name, host, async move || work(Begun(begun)).await)?;
        let result = result.recv();
        let result = result.map_err(|_| Error::new("the thread of the connection has ended"))?;
        Ok((driver, result?))
    }
}

/// Says how the first part went.
#[derive(Debug)]
pub struct Begun<T>(mpsc::Sender<Result<T, Error>>);

impl<T> Begun<T> {
    /// Returns this from [`Driver::start_with`].
    pub fn with(self, result: Result<T, Error>) {
        let _ = self.0.send(result);
    }
}

impl Drop for Driver {
    /// Waits for the end of the thread, which the component has asked for by other means.
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if self.ended.recv_timeout(SPARE) == Err(mpsc::RecvTimeoutError::Timeout) {
            log::warn!("the thread of the connection does not end");
        } else if thread.join().is_err() {
            log::error!("the thread of the connection has panicked");
        }
    }
}
