//! The state directory: everything that pipelines must remember from one run to the next.
//!
//! ```text
//! version                      of the layout
//! dead-letters/                segments, each written by one process
//! pipelines/PIPELINE/COMPONENT what one component keeps; locked by the process that runs it
//! ```
mod origin;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use gopiper_abi::Error;
use parking_lot::Mutex;
use rustix::fs::{Access, access};

use super::lock;

/// The version of the layout. It rises with each kind of file that an older gopiper would ignore:
/// that one refuses the directory instead.
const VERSION: u32 = 3;

/// It has other digests, which this gopiper reads, too.
const VERSION_OF_OLD_DIGESTS: u32 = 2;
/// It differs in its buffers, too, each of which was this file in its folder.
const VERSION_OF_OLD_BUFFERS: u32 = 1;
const OLD_BUFFER: &str = "buffer.redb";

/// The file in a component's folder that its process locks.
const LOCK: &str = "lock";

/// How much of a file is shown that is no version.
const SHOWN: usize = 40;

/// The advice if there is none.
pub(crate) const NO_DIRECTORY: &str =
    "this pipeline has no state directory: give it one (--state-dir, GOPIPER_STATE_DIR)";

/// Whether a folder in a state directory exists and can be used, or could be created. Leaves
/// nothing there. An empty path is the directory itself.
///
/// # Errors
/// The obstacle, and how to remove it.
pub fn check(directory: &Path, folder: &Path) -> Result<(), String> {
    let there = usable(directory, folder)?;
    try_to_make(&there).or_else(|error| match Error::from(error) {
        // It may be gone by the time something is written there.
        error if error.is_temporary() => Ok(()),
        error => Err(format!(
            "the state directory {} cannot be used: cannot create a folder in {} ({error})",
            directory.display(),
            there.display()
        )),
    })
}

/// Like [`check`], but only looks. Returns the part of the folder's path that exists.
fn usable(directory: &Path, folder: &Path) -> Result<PathBuf, String> {
    if is_of_another_version(directory) {
        // Before anything about permissions: with those mended, this would still be in the way.
        check_version(directory)?;
    }
    let (shown, folder) = (directory.display(), directory.join(folder));
    let there = folder.ancestors().find(|path| path.exists() && !path.as_os_str().is_empty());
    let there = there.unwrap_or(Path::new("."));
    if !there.is_dir() {
        return Err(format!(
            "the state directory {shown} cannot be used: {} is not a directory",
            there.display()
        ));
    }
    access(there, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        let error = io::Error::from(error);
        format!(
            "the state directory {shown} cannot be used: {} cannot be written to ({error})",
            there.display()
        )
    })?;
    check_version(directory)?;
    Ok(there.into())
}

/// Tries to create a folder: in some directories that are writable, that is impossible (`/proc`).
/// Each component of a pipeline asks at the start, so a success is valid for a second.
fn try_to_make(folder: &Path) -> io::Result<()> {
    static LAST: Mutex<Option<(PathBuf, Instant)>> = Mutex::new(None);
    let mut last = LAST.lock();
    if let Some((worked, when)) = &*last
        && worked == folder
        && when.elapsed() < Duration::from_secs(1)
    {
        return Ok(());
    }
    let tried = folder.join(format!(".gopiper-{}", std::process::id()));
    match fs::create_dir(&tried) {
        // Left by a process that was killed: that it can be removed says as much.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::remove_dir(&tried)?,
        Err(error) => return Err(error),
        Ok(()) => fs::remove_dir(&tried)?,
    }
    *last = Some((folder.into(), Instant::now()));
    Ok(())
}

/// Whether a state directory can be read, if it exists.
///
/// # Errors
/// It is of another version, or its version cannot be read.
pub fn check_version(directory: &Path) -> Result<(), String> {
    let file = version_file(directory);
    match fs::read(&file) {
        Ok(text) => supports(directory, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => check_buffers(directory),
        Err(error) => Err(format!("cannot read {}: {error}", file.display())),
    }
}

/// Checks that no old buffer is in a directory: its messages would be ignored. The directory keeps
/// its version, so that the older gopiper can still deliver them.
fn check_buffers(directory: &Path) -> Result<(), String> {
    let folders = folders_of_components(directory)?;
    match folders.iter().map(|folder| folder.join(OLD_BUFFER)).find(|file| file.exists()) {
        Some(file) => Err(format!(
            "{} is a buffer of an earlier version of gopiper: to deliver its messages, run that \
             version until it is empty; then, or to continue without them, remove the file",
            file.display()
        )),
        None => Ok(()),
    }
}

/// Whether a state directory is known to be of another version: its state must not be ignored.
pub fn is_of_another_version(directory: &Path) -> bool {
    fs::read(version_file(directory)).is_ok_and(|text| supports(directory, &text).is_err())
}

fn version_file(directory: &Path) -> PathBuf {
    directory.join("version")
}

/// The content of the file for this version.
fn version_text() -> String {
    format!("{VERSION}\n")
}

/// Whether this is the text of a version that this gopiper supports.
fn supports(directory: &Path, text: &[u8]) -> Result<(), String> {
    let version = str::from_utf8(text).ok().and_then(|text| text.trim().parse::<u32>().ok());
    match version {
        Some(VERSION | VERSION_OF_OLD_DIGESTS) => Ok(()),
        Some(VERSION_OF_OLD_BUFFERS) => check_buffers(directory),
        Some(version) => Err(format!(
            "the state directory {} has version {version}, and this gopiper supports version \
             {VERSION}: run the gopiper that wrote it, or give another --state-dir",
            directory.display()
        )),
        None => {
            let shown = String::from_utf8_lossy(&text[..text.len().min(SHOWN)]);
            Err(format!(
                "{} does not contain a version ({shown:?}): is this a state directory?",
                version_file(directory).display()
            ))
        }
    }
}

/// Creates a folder in the state directory, and the directory itself with its version. One of an
/// earlier version gets this version.
pub(crate) fn make(directory: &Path, folder: &Path) -> Result<PathBuf, Error> {
    usable(directory, folder).map_err(Error::new)?;
    let folder = directory.join(folder);
    let failed = |path: &Path, error: io::Error| {
        Error::new(format!("cannot create {}: {error}", path.display())).caused_by(&error)
    };
    make_synced(&folder).map_err(|error| failed(&folder, error))?;
    // Those above too, up to the directory itself: that one may be the operator's.
    for above in folder.ancestors().take_while(|above| *above != directory) {
        make_private(above).map_err(|error| failed(above, error))?;
    }
    let file = version_file(directory);
    ensure_version(&file).map_err(|error| failed(&file, error))?;
    close_old(directory).map_err(|error| failed(directory, error))?;
    Ok(folder)
}

fn close(path: &Path, mode: u32) -> io::Result<()> {
    let permissions = match fs::metadata(path) {
        // Another process has renamed or removed it meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata?.permissions(),
    };
    if permissions.mode() & 0o077 == 0 {
        return Ok(());
    }
    match fs::set_permissions(path, Permissions::from_mode(mode)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        closed => closed,
    }
}

/// Writes the version unless it is there.
fn ensure_version(file: &Path) -> io::Result<()> {
    // The name is this process's alone, and its components start at the same time.
    static WRITING: Mutex<()> = Mutex::new(());
    let _alone = WRITING.lock();
    if fs::read(file).ok() == Some(version_text().into_bytes()) {
        return Ok(());
    }
    write_whole(file, version_text().as_bytes())
}

/// Writes a file under another name first, so that the one of this name is always complete.
fn write_whole(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = file.with_extension(format!("{}.new", std::process::id()));
    let write = || {
        let mut options = OpenOptions::new();
        let mut made = options.write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        made.write_all(bytes)?;
        made.sync_all()?;
        fs::rename(&aside, file)
    };
    // On a full disk it is tried again and again, perhaps by other processes.
    write().inspect_err(|_| _ = fs::remove_file(&aside))?;
    file.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// Creates a folder and those above it, synced. An existing one may have been created by a process
/// that was killed before it could sync it: so all are synced, as far as they can be opened.
fn make_synced(folder: &Path) -> io::Result<()> {
    let Some(above) = folder.parent() else { return Ok(()) };
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    if above != Path::new(".") {
        make_synced(above)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => File::open(above)?.sync_all(),
        Err(_) if folder.is_dir() => match File::open(above) {
            Ok(above) => above.sync_all(),
            Err(_) => Ok(()),
        },
        Err(error) => Err(error),
    }
}

/// The folder of a component of a pipeline in the state directory.
pub(crate) fn folder_of(pipeline: &str, component: &str) -> PathBuf {
    Path::new("pipelines").join(pipeline).join(component)
}

/// The state of one component of a pipeline.
pub(crate) struct ComponentState {
    directory: Option<PathBuf>,
    folder: PathBuf,
    /// The folder's lock, from the first use until the pipeline has ended.
    lock: Mutex<Option<File>>,
}

impl ComponentState {
    pub(crate) fn new(directory: Option<PathBuf>, pipeline: &str, component: &str) -> Self {
        ComponentState { directory, folder: folder_of(pipeline, component), lock: Mutex::default() }
    }

    /// The component's folder; creates and locks it on the first call.
    pub(crate) fn folder(&self) -> Result<PathBuf, Error> {
        let directory = self.directory.as_ref().ok_or_else(|| Error::new(NO_DIRECTORY))?;
        let mut lock = self.lock.lock();
        if lock.is_some() {
            return Ok(directory.join(&self.folder));
        }
        let folder = make(directory, &self.folder)?;
        *lock = Some(lock_folder(&folder)?);
        Ok(folder)
    }

    /// A name that no other component has: random, and made once in the component's folder.
    pub(crate) fn origin(&self) -> Result<String, Error> {
        let folder = self.folder()?;
        // For this process's workers; other processes wait for the folder.
        let _alone = self.lock.lock();
        origin::of(&folder).map_err(|error| {
            let path = folder.join(origin::FILE);
            Error::new(format!("cannot use {}: {error}", path.display())).caused_by(&error)
        })
    }

    /// The pipeline has ended.
    pub(crate) fn unlock(&self) {
        self.lock.lock().take();
    }
}

/// Checks that no process runs a component with a folder in a state directory.
///
/// # Errors
/// One does, or it cannot be looked at.
pub fn check_unused(directory: &Path) -> Result<(), String> {
    let folders = folders_of_components(directory)?;
    for folder in folders {
        if folder.join(LOCK).is_file() {
            lock_folder(&folder).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// The folders in a state directory that components have or had, by pipeline and component.
pub(crate) fn folders_of_components(directory: &Path) -> Result<BTreeSet<PathBuf>, String> {
    let list = |folder: &Path| -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let subfolders = |folder: &Path| -> Result<Vec<PathBuf>, String> {
        use io::ErrorKind::{NotADirectory, NotFound};
        match list(folder) {
            // A file may be the operator's: so may the directory.
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(Vec::new()),
            listed => listed.map_err(|error| format!("cannot read {}: {error}", folder.display())),
        }
    };
    let mut folders = BTreeSet::new();
    for pipeline in subfolders(&directory.join("pipelines"))? {
        folders.extend(subfolders(&pipeline)?);
    }
    Ok(folders)
}

/// Makes the state directory private, and the files in it beside the components' folders: letters
/// of pipelines that may not fail in this run. A directory that contains other things, too, belongs
/// to the operator.
fn close_old(directory: &Path) -> io::Result<()> {
    let is_ours = |name: &OsStr| {
        let name = name.to_string_lossy();
        matches!(&*name, "dead-letters" | "pipelines") || name.starts_with("version")
    };
    let mut entries = fs::read_dir(directory)?;
    match entries.all(|entry| entry.is_ok_and(|entry| is_ours(&entry.file_name()))) {
        true => make_private(directory)?,
        false => close(&version_file(directory), 0o600)?,
    }
    match make_private(&directory.join("dead-letters")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        made => made,
    }
}

/// Makes a folder of the state and its files private, which an older version left readable. Files
/// of another user are not changed.
fn make_private(folder: &Path) -> io::Result<()> {
    close(folder, 0o700)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            close(&entry.path(), 0o600)?;
        }
    }
    Ok(())
}

/// Whether a process runs the component that has this folder.
pub(crate) fn is_in_use(folder: &Path) -> bool {
    lock::is_locked(&folder.join(LOCK))
}

/// Locks a folder for this process, for as long as the file is open.
fn lock_folder(folder: &Path) -> Result<File, Error> {
    let path = folder.join(LOCK);
    let failed = |error: io::Error| {
        Error::new(format!("cannot lock {}: {error}", path.display())).caused_by(&error)
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let opened = options.open(&path);
    let mut file = opened.map_err(failed)?;
    if !lock::try_lock(&file).map_err(failed)? {
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder);
        return Err(Error::new(format!(
            "{} is in use by {}; stop it, or use another --state-dir",
            folder.display(),
            holder.trim()
        )));
    }
    let words: Vec<_> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    // For people only: what counts is the lock.
    let said = format!("process {} ({})\n", std::process::id(), words.join(" "));
    file.set_len(0).and_then(|()| file.write_all(said.as_bytes())).map_err(failed)?;
    Ok(file)
}
