//! The folders of control sockets. Each belongs to the user alone, so other users can neither
//! connect nor put a socket there.
use std::{
    env, fs,
    fs::DirBuilder,
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

/// The folders where sockets may be. A service often has no runtime directory, while the shell of
/// the user who asks has one, so both folders are searched.
pub(super) fn folders() -> Vec<PathBuf> {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    // Another user could rename or replace a folder of their own (`su` keeps the variable).
    let runtime = runtime.filter(|folder| folder.is_absolute() && check(folder).is_ok());
    let runtime = runtime.map(|folder| folder.join("gopiper"));
    let short = PathBuf::from(format!("/tmp/gopiper-{}", geteuid().as_raw()));
    runtime.into_iter().chain([short]).collect()
}

/// Makes a folder for sockets, if there is none.
///
/// # Errors
/// It cannot be made, or does not belong to this user alone.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => check(folder),
    }
}

pub(super) fn check(folder: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(folder)?;
    let is_own = found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o077 == 0;
    match is_own {
        true => Ok(()),
        false => {
            Err(io::Error::other("it is not a folder that only this user can open (mode 0700)"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_folder_of_others_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("gopiper");
        make(&folder).unwrap();
        make(&folder).expect("it is there already");
        let mode = fs::metadata(&folder).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
        let link = home.path().join("link");
        symlink(&folder, &link).unwrap();
        assert!(make(&link).is_err(), "another user may have made the link");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
        assert!(make(&folder).is_err(), "others may put sockets there");
        assert!(make(&home.path().join("missing/gopiper")).is_err());
    }
}
