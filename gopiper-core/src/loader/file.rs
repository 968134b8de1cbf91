//! The bytes of a component file: copied once, and opened from the copy, which cannot be changed.
#![allow(unsafe_code)]

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use memmap2::{Mmap, MmapOptions};
use rustix::fs::{
    MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create, open, sendfile,
};
use rustix::io::Errno;

use super::elf::{BEGINNING, check_beginning};
use super::refusal::{Gate, Refusal};

/// Larger than any component; small enough for any machine.
const LARGEST_FILE: u64 = 1 << 30;

/// Opens a component's file for reading, if it is a regular file.
fn open_regular(path: &Path) -> Result<File, Refusal> {
    let refuse = |found: &str, remedy: &str| {
        Refusal::new(path, Gate::File, "cannot be read", found, "a component file (.so)", remedy)
    };
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => {
            refuse("no such file", "check the path (gopiper list shows what is found)")
        }
        ErrorKind::PermissionDenied => refuse(
            "permission denied",
            "make the file, and every directory above it, readable for this user",
        ),
        _ => refuse(&error.to_string(), "check the file and its disk"),
    };
    // NONBLOCK: opening a FIFO would wait for its writer otherwise.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
    let file = File::from(file);
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(refuse("a directory", "name the .so file inside it"));
    }
    if !metadata.is_file() {
        return Err(refuse("a pipe, socket or device", "name a regular file"));
    }
    if metadata.len() > LARGEST_FILE {
        let found = format!("a file of {} bytes", metadata.len());
        return Err(refuse(&found, "name a component: even a large one has less than 1 GiB"));
    }
    if metadata.len() == 0 {
        return Err(refuse("an empty file", "copy or build the component again"));
    }
    Ok(file)
}

/// Identifies the contents of a file that has not changed for a while. Two changes within one tick
/// of the kernel's clock give a file the same version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileVersion {
    inode: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileVersion {
    /// None if there is no such file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for FileVersion {
    fn from(metadata: &Metadata) -> Self {
        FileVersion {
            inode: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A file that changed less than this ago may change again without another version.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// The time since the last change of a file; zero if that lies in the future.
fn age(metadata: &Metadata) -> Duration {
    let changed = Duration::new(metadata.ctime() as u64, metadata.ctime_nsec() as u32);
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().saturating_sub(changed)
}

/// For a moment the kernel itself may hold pages that were just written, and says that they are
/// busy.
const ATTEMPTS: u32 = 20;

fn seal(copy: &OwnedFd) -> Result<(), Errno> {
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    for _ in 1..ATTEMPTS {
        match fcntl_add_seals(copy, seals) {
            Err(Errno::BUSY) => thread::sleep(Duration::from_millis(10)),
            sealed => return sealed,
        }
    }
    fcntl_add_seals(copy, seals)
}

/// A sealed copy in memory: the checked bytes are those that are opened, whatever happens to the
/// file.
///
/// The dynamic linker knows a library by its path and by device and inode. Each copy has an inode
/// of its own, and its path `/proc/PID/fd/N` is unique for as long as the descriptor is open; so
/// code that opens the copy as a library calls [`PrivateCopy::keep_open`].
pub(super) struct PrivateCopy {
    descriptor: OwnedFd,
    bytes: Mmap,
    /// None if the file changed while it was copied, or shortly before.
    version: Option<FileVersion>,
}

impl PrivateCopy {
    /// Copies an ELF file. Its name shows up in `/proc/PID/maps`, and so in debuggers and
    /// profilers.
    pub(super) fn of(file: &Path) -> Result<Self, Refusal> {
        let from = open_regular(file)?;
        // First: a large file that was named by mistake is not read.
        let mut beginning = [0; BEGINNING];
        let length = from.read_at(&mut beginning, 0).map_err(|error| no_copy(file, &error))?;
        check_beginning(file, &beginning[..length])?;
        Self::copy(file, &from).map_err(|error| no_copy(file, &error))
    }

    /// Copies a file of any kind.
    pub(super) fn of_any(file: &Path) -> Result<Self, Refusal> {
        Self::copy(file, &open_regular(file)?).map_err(|error| no_copy(file, &error))
    }

    fn copy(file: &Path, from: &File) -> io::Result<Self> {
        let name = file.file_name().unwrap_or_default().as_bytes();
        let name = &name[..name.len().min(200)]; // the kernel takes 249 bytes
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // A library is mapped, never executed. Kernels before 6.3 don't know that flag; a hardened
        // one (vm.memfd_noexec=2) insists on it.
        let copy = match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
            Err(Errno::INVAL) => memfd_create(name, flags)?,
            result => result?,
        };
        let version = FileVersion::from(&from.metadata()?);
        // Within the kernel: the bytes need no memory of ours.
        let mut length = 0;
        while length <= LARGEST_FILE {
            match sendfile(&copy, from, None, 1 << 30)? {
                0 => break,
                sent => length += sent as u64,
            }
        }
        seal(&copy)?;
        // SAFETY: the seals ensure that no code, in this process or another, changes or shortens
        // the mapped bytes.
        let bytes = unsafe { MmapOptions::new().populate().map(&copy)? };
        let after = from.metadata()?;
        let is_settled = version == FileVersion::from(&after) && age(&after) >= SETTLED_AFTER;
        let version = is_settled.then_some(version);
        Ok(PrivateCopy { descriptor: copy, bytes, version })
    }

    /// The version of the file that was copied, if that identifies these bytes.
    pub(super) fn version(&self) -> Option<FileVersion> {
        self.version
    }

    /// The contents of the file when it was copied.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The path under which the dynamic linker opens it, and debuggers read it. A debugger that
    /// opened `/proc/self/fd/N` would read a file of its own.
    pub(super) fn path(&self) -> PathBuf {
        // As this `/proc` knows the process: it may be that of another PID namespace.
        let process = fs::read_link("/proc/self").unwrap_or_else(|_| "self".into());
        Path::new("/proc").join(process).join("fd").join(self.descriptor.as_raw_fd().to_string())
    }

    /// Keeps the descriptor open until the process ends, on purpose: were its number used again,
    /// opening the next copy under the same path would return this library.
    pub(super) fn keep_open(self) {
        mem::forget(self.descriptor);
    }
}

fn no_copy(file: &Path, error: &io::Error) -> Refusal {
    Refusal::new(
        file,
        Gate::File,
        "cannot be copied into memory",
        error.to_string(),
        "memory of the file's size behind a descriptor (memfd)",
        "free memory, or raise the limits on memory, open files and file size (ulimit -n, ulimit -f)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loader::tests::real_library_path;
    use std::fs;
    use std::io::Write;

    #[test]
    fn only_regular_files_with_content_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |path: &Path| {
            let refusal = PrivateCopy::of(path).err().expect("refused");
            assert_eq!(refusal.gate, Gate::File);
            refusal.found
        };
        assert_eq!(refused(dir.path()), "a directory");
        assert_eq!(refused(&dir.path().join("missing.so")), "no such file");
        assert_eq!(refused(Path::new("/dev/null")), "a pipe, socket or device");

        let empty = dir.path().join("empty.so");
        fs::write(&empty, b"").unwrap();
        assert_eq!(refused(&empty), "an empty file");

        let huge = dir.path().join("huge.so");
        File::create(&huge).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(refused(&huge), "a file of 1099511627776 bytes");

        let fifo = dir.path().join("fifo.so");
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(refused(&fifo), "a pipe, socket or device");
    }

    #[test]
    fn a_large_file_of_another_kind_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let large = dir.path().join("large.so");
        fs::write(&large, "é".repeat(3000)).unwrap();
        File::options().write(true).open(&large).unwrap().set_len(LARGEST_FILE).unwrap();
        let refusal = PrivateCopy::of(&large).err().expect("refused");
        assert_eq!((refusal.gate, refusal.found.as_str()), (Gate::Note, "a text file"));
    }

    #[test]
    fn the_version_of_a_file_that_has_just_changed_is_not_known() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("new.so");
        fs::write(&file, b"\x7fELF").unwrap();
        assert_eq!(PrivateCopy::of(&file).unwrap().version(), None);
        let old = PathBuf::from(real_library_path());
        let version = PrivateCopy::of(&old).unwrap().version();
        assert!(version.is_some() && version == FileVersion::of(&old));
        assert_ne!(FileVersion::of(&file), FileVersion::of(&old));
    }

    #[test]
    fn a_private_copy_holds_the_bytes_and_cannot_be_changed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(format!("{}.so", "é".repeat(120)));
        let bytes = b"\x7fELF bytes";
        fs::write(&file, bytes).unwrap();
        let copy = PrivateCopy::of(&file).unwrap();
        fs::write(&file, b"other").unwrap();
        assert_eq!(copy.bytes(), bytes);
        assert_eq!(fs::read(copy.path()).unwrap(), bytes);
        let write = fs::OpenOptions::new().write(true).open(copy.path());
        assert!(write.and_then(|mut file| file.write_all(b"other")).is_err());
        assert_eq!(fs::read(copy.path()).unwrap(), bytes);
    }
}
