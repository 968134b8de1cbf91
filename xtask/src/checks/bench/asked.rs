//! Asks each gopiper that a row runs, as an operator does meanwhile, over its control socket.
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How often an end of the work is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// Does some work, and meanwhile asks those that have their sockets in this runtime directory for
/// `path`. An answer that goes on is read until it ends.
pub(super) fn during<T>(runtime_directory: &Path, path: &str, work: impl FnOnce() -> T) -> T {
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut asked = BTreeMap::new();
            while !is_done.load(Relaxed) {
                for socket in sockets(runtime_directory) {
                    let last = asked.get(&socket).copied();
                    if last.is_some_and(|last: Instant| last.elapsed() < EVERY) {
                        continue;
                    }
                    asked.insert(socket.clone(), Instant::now());
                    if last.is_none() || !goes_on(path) {
                        // It may have ended meanwhile.
                        scope.spawn(move || drop(ask(&socket, path)));
                    }
                }
                thread::sleep(LOOK);
            }
        });
        let done = work();
        is_done.store(true, Relaxed);
        done
    })
}

/// Whether the answer ends with the process that gives it.
fn goes_on(path: &str) -> bool {
    path.starts_with("/api/v1/tap")
}

fn sockets(runtime_directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(runtime_directory.join("gopiper")).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

fn ask(socket: &Path, path: &str) -> io::Result<u64> {
    let mut stream = UnixStream::connect(socket)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    io::copy(&mut stream, &mut io::sink())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
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
            sender.send(head).unwrap();
        });
        let head = during(folder.path(), "/metrics", || receiver.recv().unwrap());
        assert_eq!(&head, b"GET /metrics");
    }
}
