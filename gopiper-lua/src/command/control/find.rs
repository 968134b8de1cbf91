//! The running processes of this user.
use std::{
    fs, io,
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::Path,
};

use clap::Args;
use tracing::warn;

use super::{
    client::Process,
    folder::{check, folders},
};

/// The choice of a running process.
#[derive(Debug, Args)]
pub(crate) struct ProcessArguments {
    /// The number of the process, if you run several: gopiper list --running shows them.
    #[arg(long, value_name = "PID", value_parser = pid)]
    pub(crate) pid: Option<u32>,
}

fn pid(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "a process id is a whole number: gopiper list --running shows it".into())
}

impl ProcessArguments {
    /// The chosen process.
    ///
    /// # Errors
    /// There is none, or there are several and no number was given.
    pub(crate) fn process(&self) -> Result<Process, String> {
        let mut running = running();
        match self.pid {
            Some(pid) => {
                let found = running.into_iter().find(|process| process.pid == pid);
                found.ok_or_else(|| {
                    format!(
                        "no gopiper of this user runs as process {pid}: see gopiper list --running"
                    )
                })
            }
            None if running.len() > 1 => {
                let all: Vec<_> = running.iter().map(|process| process.pid.to_string()).collect();
                Err(format!(
                    "{} gopipers run: give --pid with one of {}",
                    all.len(),
                    all.join(", ")
                ))
            }
            None => running.pop().ok_or_else(|| {
                "no gopiper runs as this user; if another user runs one, use this command as that \
                 user"
                    .to_owned()
            }),
        }
    }
}

/// The running processes of this user, by number. Sockets that killed processes left are removed.
pub(crate) fn running() -> Vec<Process> {
    let mut found = Vec::new();
    for folder in folders() {
        if let Err(error) = check(&folder) {
            if error.kind() != io::ErrorKind::NotFound {
                warn!(code = "control_folder", "{}: {error}: it is not used", folder.display());
            }
            continue;
        }
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for socket in entries.flatten().map(|entry| entry.path()) {
            let Some(pid) = pid_of(&socket) else { continue };
            match UnixStream::connect(&socket) {
                Ok(_) => found.push(Process { pid, socket }),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    remove_leftover(&socket);
                }
                // The process has just ended, or cannot answer.
                Err(_) => {}
            }
        }
    }
    found.sort_by_key(|process| process.pid);
    found
}

/// Removes the socket of a process that was killed, but not the socket of a new process with the
/// same number.
fn remove_leftover(socket: &Path) {
    let inode = || fs::symlink_metadata(socket).map(|metadata| metadata.ino()).ok();
    let before = inode();
    if UnixStream::connect(socket).is_err() && before.is_some() && inode() == before {
        let _ = fs::remove_file(socket);
    }
}

/// The number in `1234.sock`.
fn pid_of(socket: &Path) -> Option<u32> {
    socket.file_name()?.to_str()?.strip_suffix(".sock")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_has_the_number_of_its_process() {
        assert_eq!(pid_of(Path::new("/run/gopiper/1234.sock")), Some(1234));
        assert_eq!(pid_of(Path::new("/run/gopiper/a.sock")), None);
        assert_eq!(pid_of(Path::new("/run/gopiper/1234.txt")), None);
    }
}
