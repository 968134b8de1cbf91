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
    /// No folder can be used: the reason for each, as text.
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

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn open_in(folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!("{}.sock", process::id()));
        if path.as_os_str().as_bytes().len() > LONGEST_PATH {
            return Err(io::Error::other("its path is too long for a socket"));
        }
        folder::make(folder)?;
        if UnixStream::connect(&path).is_ok() {
            // Processes in containers that share the folder may have the same number.
            let said = "another process with the number of this one listens there";
            return Err(io::Error::other(said));
        }
        // It gets its name once it listens: before that, other processes would take it for the
        // socket of a killed process, and remove it.
        let new = path.with_extension("new");
        let _ = fs::remove_file(&new);
        let listener = UnixListener::bind(&new)?;
        let socket = ControlSocket { path, listener };
        // Until here, the mode of the folder has kept other users out.
        let ready = fs::set_permissions(&new, fs::Permissions::from_mode(0o600))
            .and_then(|()| socket.listener.set_nonblocking(true))
            .and_then(|()| fs::rename(&new, &socket.path));
        ready.inspect_err(|_| drop(fs::remove_file(&new)))?;
        Ok(socket)
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
