//! Sends requests to each gopiper that a row runs over its control socket, as an operator does.
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a request is sent.
const EVERY: Duration = Duration::from_secs(1);
/// How often the end of the work is checked.
const LOOK: Duration = Duration::from_millis(10);

/// Does some work. Meanwhile, requests `path` from each process with a socket in this runtime
/// directory. A streamed answer is read until it ends.
///
/// # Errors
/// No process answered, though there was time for it: nothing was measured.
pub(super) fn during<T>(
    runtime_directory: &Path,
    path: &str,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let (begun, is_done) = (Instant::now(), AtomicBool::new(false));
    let (asked, answered) = (AtomicU64::new(0), AtomicU64::new(0));
    let done = thread::scope(|scope| {
        scope.spawn(|| {
            let mut last = BTreeMap::<PathBuf, Instant>::new();
            while !is_done.load(Relaxed) {
                for socket in sockets(runtime_directory) {
                    let is_new = !last.contains_key(&socket);
                    let is_due = last.get(&socket).is_none_or(|last| last.elapsed() >= EVERY);
                    if !is_due || (!is_new && goes_on(path)) {
                        continue;
                    }
                    last.insert(socket.clone(), Instant::now());
                    asked.fetch_add(1, Relaxed);
                    let (is_done, answered) = (&is_done, &answered);
                    scope.spawn(move || {
                        // Its pipelines may not have started yet, or it may have ended.
                        while !is_done.load(Relaxed) {
                            if ask(&socket, path, &mut io::sink()).unwrap_or(false) {
                                answered.fetch_add(1, Relaxed);
                                return;
                            }
                            thread::sleep(LOOK);
                        }
                    });
                }
                thread::sleep(LOOK);
            }
        });
        let done = work();
        is_done.store(true, Relaxed);
        done
    });
    let is_long = begun.elapsed() >= EVERY;
    if is_long && asked.into_inner() > 0 && answered.into_inner() == 0 {
        bail!("no gopiper in {} has answered", runtime_directory.display());
    }
    done
}

/// Whether the answer is streamed until the process ends.
fn goes_on(path: &str) -> bool {
    path.starts_with("/api/v1/tap")
}

pub(super) fn sockets(runtime_directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(runtime_directory.join("gopiper")).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

/// Reads the whole answer, and writes the part after its status. Returns whether the request
/// succeeded.
pub(super) fn ask(socket: &Path, path: &str, into: &mut dyn Write) -> io::Result<bool> {
    let mut stream = UnixStream::connect(socket)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    io::copy(&mut stream, into)?;
    Ok(status.ends_with(b" 200"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_process_is_asked_while_the_work_lasts() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("gopiper")).unwrap();
        let listener = UnixListener::bind(folder.path().join("gopiper/1.sock")).unwrap();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 12];
            stream.read_exact(&mut head).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            // The rest of the request: a reset would take the answer away.
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            io::copy(&mut stream, &mut io::sink()).unwrap();
            sender.send(head).unwrap();
        });
        let head = during(folder.path(), "/metrics", || Ok(receiver.recv()?)).unwrap();
        assert_eq!(&head, b"GET /metrics");
    }

    #[test]
    fn nothing_is_measured_without_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("gopiper")).unwrap();
        drop(UnixListener::bind(folder.path().join("gopiper/1.sock")).unwrap());
        let wait = || {
            thread::sleep(EVERY);
            Ok(())
        };
        let error = during(folder.path(), "/metrics", wait).unwrap_err().to_string();
        assert!(error.contains("has answered"), "{error}");
    }
}
