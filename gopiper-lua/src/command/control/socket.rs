//! The control socket of this process.
use std::{
    fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process,
};

use super::folder;

/// The kernel takes a path of 107 bytes and a NUL.
const LONGEST_PATH: usize = 107;

/// The control socket of this process. Its file is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    path: PathBuf,
    pub(crate) listener: UnixListener,
}

impl ControlSocket {
    /// Listens in the first folder that can be used.
    ///
    /// # Errors
    /// There is none: for each, why.
    pub(crate) fn open() -> Result<Self, String> {
        let mut errors = Vec::new();
        for folder in folder::folders() {
            match Self::open_in(&folder) {
                Ok(socket) => return Ok(socket),
                Err(error) => errors.push(format!("{}: {error}", folder.display())),
            }
        }
        Err(errors.join("; "))
    }

    fn open_in(folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!("{}.sock", process::id()));
        if path.as_os_str().as_bytes().len() > LONGEST_PATH {
            return Err(io::Error::other("its path is too long for a socket"));
        }
        folder::make(folder)?;
        remove_leftover(&path)?;
        let listener = UnixListener::bind(&path)?;
        let socket = ControlSocket { path, listener };
        // The folder has kept others out so far.
        fs::set_permissions(&socket.path, fs::Permissions::from_mode(0o600))?;
        socket.listener.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// Removes the socket of a process that had this number before.
fn remove_leftover(path: &Path) -> io::Result<()> {
    match UnixStream::connect(path) {
        // Processes in containers that share the folder may have one number.
        Ok(_) => Err(io::Error::other("another process with the number of this one listens there")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_the_users_own_and_goes_with_its_process() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("gopiper");
        let socket = ControlSocket::open_in(&folder).unwrap();
        let path = socket.path.clone();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let other = ControlSocket::open_in(&folder).unwrap_err().to_string();
        assert!(other.contains("another process"), "{other}");
        drop(socket);
        assert!(!path.exists());
        // What a killed process leaves.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        ControlSocket::open_in(&folder).expect("nothing listens there");
    }

    #[test]
    fn a_path_that_is_too_long_is_not_tried() {
        let home = tempfile::tempdir().unwrap();
        let error = ControlSocket::open_in(&home.path().join("a".repeat(100))).unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
    }
}
