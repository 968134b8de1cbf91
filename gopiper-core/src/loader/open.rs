//! Opens a library that passed gates 1 and 2, and takes it through gate 3 to its root module.
//!
//! Only from here does code of a component run.
#![allow(unsafe_code)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::fs;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::ptr;

use abi_stable::StableAbi;
use abi_stable::library::{
    AbiHeader, LibHeader, LibraryError, RootModuleError, lib_header_from_path,
};
use gopiper_abi::raw::{ComponentModule_Ref, INTERFACE_VERSION};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::file::PrivateCopy;
use super::inspection::Inspection;
use super::refusal::{Gate, Refusal, shortened};
use super::{layout, version};

/// The path under which a library stays open until the process ends.
pub(super) struct OpenLibrary {
    path: PathBuf,
}

impl OpenLibrary {
    /// Opens the copy of `file`.
    pub(super) fn open(file: &Path, copy: PrivateCopy) -> Result<Self, Refusal> {
        Ok(OpenLibrary { path: open_copy(file, copy)? })
    }

    /// Opens `file` itself. The dynamic linker finds its private libraries, too.
    pub(super) fn open_in_place(file: &Path) -> Result<Self, Refusal> {
        let path = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        open_path(file, &path)?;
        Ok(OpenLibrary { path })
    }

    /// Gate 3: returns the root module if the library has the host's layout and matches its note.
    pub(super) fn root_module(
        &self,
        inspection: &Inspection,
    ) -> Result<ComponentModule_Ref, Refusal> {
        let file = &inspection.file;
        // The constructor of the root module is fenced inside the library. This fence is for what
        // panics on our side of it.
        let checked = catch_unwind(AssertUnwindSafe(|| {
            let header = lib_header_from_path(&self.path).map_err(|e| in_words(file, e))?;
            check_header(inspection, header)?;
            // SAFETY: `check_header` found the library's layout to be that of the host's
            // `ComponentModule_Ref`. The library is never unloaded.
            let module =
                unsafe { header.init_root_module_with_unchecked_layout::<ComponentModule_Ref>() };
            let module = module.map_err(|e| in_words(file, e))?;
            check_word(inspection, module)?;
            Ok(module)
        }));
        checked.unwrap_or_else(|payload| {
            mem::forget(payload); // its drop could panic again
            Err(panicked(file))
        })
    }
}

/// Opens the copy of `file` as a library, and returns its path. A copy that cannot be opened leaves
/// nothing behind.
pub(super) fn open_copy(file: &Path, copy: PrivateCopy) -> Result<PathBuf, Refusal> {
    let path = copy.path();
    open_path(file, &path)?;
    copy.keep_open();
    Ok(path)
}

/// Opens `file`, or the copy of it, at this path.
fn open_path(file: &Path, path: &Path) -> Result<(), Refusal> {
    // Now, not at the first call: a missing symbol is an error here, and an abort later.
    // SAFETY: the initialisers of the library run, and nothing can be proved of them. Gate 1
    // checked that the bytes are the sealed ones, for this machine and this glibc; an operator
    // who names a component in a pipeline trusts its author with the process, and with the
    // libraries that the component brings.
    let opened = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    match opened {
        Ok(library) => {
            // Never unloaded: its threads, thread-locals and vtables may outlive any handle.
            mem::forget(library);
            Ok(())
        }
        Err(error) => Err(cannot_be_opened(file, path, error)),
    }
}

/// The path of the library that is open under this name.
pub(super) fn path_of_open(name: &str) -> Option<PathBuf> {
    /// The beginning of glibc's `struct link_map`.
    #[repr(C)]
    struct LinkMap {
        address: usize,
        path: *const c_char,
    }
    unsafe extern "C" {
        fn dlinfo(library: *mut c_void, request: c_int, into: *mut c_void) -> c_int;
    }
    const RTLD_NOLOAD: c_int = 4;
    const RTLD_DI_LINKMAP: c_int = 2;
    // SAFETY: with NOLOAD nothing is opened, so no initialisers run.
    let library = unsafe { Library::open(Some(name), RTLD_NOLOAD | RTLD_NOW | RTLD_LOCAL) };
    let handle = library.ok()?.into_raw();
    let mut map = ptr::null_mut::<LinkMap>();
    // SAFETY: the handle is open, and this request writes one pointer.
    let result = unsafe { dlinfo(handle, RTLD_DI_LINKMAP, (&raw mut map).cast()) };
    // SAFETY: after success it points to the library's entry, which begins like a `LinkMap`, and
    // stays as long as the library is open.
    let map = unsafe { map.as_ref() }.filter(|_| result == 0)?;
    // SAFETY: the path of an entry is text that ends with NUL and lives as long as the entry.
    let path = unsafe { CStr::from_ptr(map.path) };
    let path = PathBuf::from(OsStr::from_bytes(path.to_bytes()));
    // SAFETY: the handle is the one that was taken above; the library stays open by others.
    drop(unsafe { Library::from_raw(handle) });
    Some(path)
}

/// Checks that the library's header matches its note, and its layout the host's.
fn check_header(inspection: &Inspection, header: &LibHeader) -> Result<(), Refusal> {
    let interface = header.version_strings();
    check_claim(inspection, "interface", &inspection.interface, interface.version.as_str())?;
    let Some(component) = header.layout() else {
        return Err(Refusal::new(
            &inspection.file,
            Gate::Layout,
            "cannot be checked",
            "a library without a layout",
            "the layout of every type of the interface",
            "build the component with the export macro of gopiper-abi",
        ));
    };
    let host = <ComponentModule_Ref as StableAbi>::LAYOUT;
    let order = version::compared_with_host(&inspection.interface)
        .expect("gate 2 lets no interface pass that is no version");
    layout::check(&inspection.file, host, component, order)
}

/// Checks that the root module matches the note.
fn check_word(inspection: &Inspection, module: ComponentModule_Ref) -> Result<(), Refusal> {
    check_claim(inspection, "name", &inspection.name, module.name().as_str())?;
    check_claim(inspection, "version", &inspection.version, module.version().as_str())?;
    check_claim(inspection, "kind", &inspection.kind.0.to_string(), &module.kind().0.to_string())
}

fn check_claim(
    inspection: &Inspection,
    what: &str,
    noted: &str,
    found: &str,
) -> Result<(), Refusal> {
    if noted == found {
        return Ok(());
    }
    Err(Refusal::new(
        &inspection.file,
        Gate::Layout,
        "does not match its note",
        format!("{what} {}", shortened(found)),
        format!("{what} {noted}, as its note says"),
        "build the component again; do not trust this file",
    ))
}

/// The advice for a missing library.
const NOT_FOUND: &str = "install the missing library where the dynamic linker looks, put it beside \
                         the component (linked with -Wl,-rpath,'$ORIGIN'), or link it into it; \
                         gopiper inspect lists all that are missing";

/// The advice for a file that wants more of each thread's memory than glibc has left.
const NO_STATIC_TLS: &str = "build it without initial-exec TLS (jemalloc: the feature disable_initial_exec_tls;\n\
     mimalloc: local_dynamic_tls), or give glibc more room:\n\
     GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384 gopiper …";

fn cannot_be_opened(file: &Path, copy: &Path, error: libloading::Error) -> Refusal {
    let text = match error {
        libloading::Error::DlOpen { source } => source.to_string(),
        other => other.to_string(),
    };
    // The dynamic linker starts with the path of the copy, which means nothing to the operator.
    let prefix = format!("{}: ", copy.display());
    let (found, remedy) = if copy.exists() || !copy.starts_with("/proc") {
        let text = text.strip_prefix(&prefix).unwrap_or(&text);
        let remedy = if text.contains("cannot open shared object file") {
            NOT_FOUND
        } else if text.contains("static TLS block") {
            NO_STATIC_TLS
        } else {
            "install what is missing, or build the component on a system like this one"
        };
        (shortened(text), remedy)
    } else {
        ("no /proc file system".into(), "mount /proc: components are opened through it")
    };
    let problem = "cannot be opened";
    let wanted = "a library that the dynamic linker accepts";
    Refusal::new(file, Gate::Open, problem, found, wanted, remedy)
}

fn panicked(file: &Path) -> Refusal {
    Refusal::new(
        file,
        Gate::Layout,
        "does not start",
        "a panic while its root module was created",
        "a root module",
        "see the panic's message, and report it to the component's author",
    )
}

/// An error of `abi_stable` as a refusal.
fn in_words(file: &Path, error: LibraryError) -> Refusal {
    let refuse = |found: String, wanted: String| {
        let problem = "has no usable root module";
        let remedy = format!("build the component again with gopiper-abi {INTERFACE_VERSION}");
        Refusal::new(file, Gate::Layout, problem, found, wanted, remedy)
    };
    match error {
        LibraryError::GetSymbolError { .. } => refuse(
            "a note, but no root module".into(),
            "the root module that the export macro of gopiper-abi creates".into(),
        ),
        LibraryError::InvalidAbiHeader(found) => {
            refuse(abi_stable_version(&found), abi_stable_version(&AbiHeader::VALUE))
        }
        LibraryError::InvalidCAbi { expected, found } => refuse(
            format!("a C ABI that returns {}", shortened(&found.to_string())),
            shortened(&expected.to_string()),
        ),
        LibraryError::IncompatibleVersionNumber { expected_version, actual_version, .. } => refuse(
            format!("interface {actual_version}"),
            format!("interface {expected_version} or later"),
        ),
        LibraryError::RootModule { err: RootModuleError::Unwound, .. } => panicked(file),
        LibraryError::RootModule { err: RootModuleError::Returned(error), .. } => {
            refuse(shortened(&error.to_string()), "a root module".into())
        }
        other => refuse(shortened(&other.to_string()), "a root module".into()),
    }
}

fn abi_stable_version(header: &AbiHeader) -> String {
    format!("abi_stable {}.{}", header.abi_major, header.abi_minor)
}
