//! Turns a prebuilt `.so` into a component, or explains a refusal in a few lines.
//!
//! A file passes three gates, in this order:
//!
//! 1. **The note** ([`Inspection`]): an ELF note that the file carries, read before any of its code
//!    runs. The file is whole, for this machine and this glibc, unwinds on panic, and is as it was
//!    sealed.
//! 2. **The version** of the interface that it was built with. Between this one and the next, if
//!    the operator asks for it, the **signature** beside the file ([`Trust`]).
//! 3. **The layout** of every type of the interface, compared by `abi_stable`. Only for this is the
//!    file opened, and only then does code of it run.
//!
//! The loader opens a copy in memory of the very bytes that were checked, so a file may be replaced
//! or deleted while it is in use. Debuggers and profilers do not find every copy, so it can also
//! open the file itself ([`Trust::in_place`]). An opened library stays until the process ends.
//!
//! A file or folder for each step: `file.rs` reads the file, `elf/` parses it, `inspection/` reads
//! the note and says whether the file can run here, `version.rs` judges the version. `private.rs`
//! opens the libraries that the file brings, `open.rs` the copy, and `layout.rs` compares layouts
//! and shortens what `abi_stable` says.

mod elf;
mod file;
mod inspection;
mod layout;
mod open;
mod private;
mod refusal;
mod seal;
mod shell;
mod signature;
#[cfg(test)]
mod tests;
mod version;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use gopiper_abi::raw::ComponentModule_Ref;
use parking_lot::Mutex;

pub use elf::GlibcVersion;
pub use inspection::{Inspection, PanicStrategy, Seal};
pub use refusal::{Gate, Refusal};
pub use seal::seal;
pub use shell::for_shell;
pub use signature::{Signature, Trust, Unsigned, trusted_key};

use file::{FileVersion, PrivateCopy};
use open::OpenLibrary;

/// A component that passed the three gates.
#[non_exhaustive]
pub struct LoadedComponent {
    /// The note of its file.
    pub inspection: Inspection,
    /// Its root module, from which factories are made. Usable until the process ends.
    pub module: ComponentModule_Ref,
    /// Warnings for the operator, one a line.
    pub warnings: Vec<String>,
}

impl fmt::Debug for LoadedComponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("LoadedComponent");
        fields.field("inspection", &self.inspection).field("warnings", &self.warnings);
        fields.finish_non_exhaustive()
    }
}

/// Reads the note of a file, without running any of its code.
///
/// Refuses only files that cannot be read as a component: why [`load`] would refuse others is in
/// [`Inspection::verdicts`].
pub fn inspect(path: &Path) -> Result<Inspection, Refusal> {
    Inspection::of(path, PrivateCopy::of(path)?.bytes())
}

/// Checks the signature beside a file with these keys.
///
/// # Errors
/// When the file cannot be read.
pub fn signature(path: &Path, trust: &Trust) -> Result<Signature, Refusal> {
    Ok(Signature::of(path, PrivateCopy::of_any(path)?.bytes(), &trust.keys))
}

/// Takes a file through everything that comes before the third gate: no code of it runs.
///
/// # Errors
/// It is refused.
pub fn check(path: &Path, trust: &Trust) -> Result<Inspection, Refusal> {
    judged(path, &PrivateCopy::of(path)?, trust).map(|(inspection, _)| inspection)
}

/// The note of a file that may be opened, and warnings for the operator.
fn judged(
    path: &Path,
    copy: &PrivateCopy,
    trust: &Trust,
) -> Result<(Inspection, Vec<String>), Refusal> {
    let inspection = Inspection::of(path, copy.bytes())?;
    if let Some(refusal) = inspection.verdicts.first() {
        return Err(refusal.clone());
    }
    trust.is_meant(path, &inspection.digest)?;
    let mut warnings = warnings(&inspection);
    if trust.asks() {
        let signature = Signature::of(path, copy.bytes(), &trust.keys);
        warnings.extend(trust.judge(path, &signature)?);
    }
    Ok((inspection, warnings))
}

/// Loads the component in the file `path`. A file that was loaded before, and has not changed, is
/// not read again, unless its signature is to be checked.
///
/// Files of the same content share one library in memory. Different files never do, whatever
/// names, types or versions they have in common.
pub fn load(path: &Path, trust: &Trust) -> Result<LoadedComponent, Refusal> {
    if !trust.asks()
        && let Some((known, module)) =
            FileVersion::of(path).and_then(|v| LOADED.lock().get(&v).cloned())
    {
        let inspection = Inspection { file: path.into(), ..known };
        trust.is_meant(path, &inspection.digest)?;
        let warnings = warnings(&inspection);
        return Ok(LoadedComponent { inspection, module, warnings });
    }
    trust.allows_in_place(path)?;
    let copy = PrivateCopy::of(path)?;
    let version = copy.version();
    let (inspection, warnings) = judged(path, &copy, trust)?;
    let module = root_module(&inspection, copy, trust.in_place)?;
    if let Some(version) = version {
        LOADED.lock().insert(version, (inspection.clone(), module));
    }
    Ok(LoadedComponent { inspection, module, warnings })
}

/// The components that were loaded, by the versions of their files.
static LOADED: Mutex<BTreeMap<FileVersion, (Inspection, ComponentModule_Ref)>> =
    Mutex::new(BTreeMap::new());

/// The result for each library that was opened, by the digest of its file.
///
/// Refusals, too: an opened library stays in memory, and need not be loaded twice.
static OPENED: Mutex<BTreeMap<[u8; 32], Result<ComponentModule_Ref, Refusal>>> =
    Mutex::new(BTreeMap::new());

/// The number of component libraries that were opened in this process, including refused ones,
/// which stay open, too.
pub fn loaded_libraries() -> usize {
    OPENED.lock().len()
}

fn root_module(
    inspection: &Inspection,
    copy: PrivateCopy,
    in_place: bool,
) -> Result<ComponentModule_Ref, Refusal> {
    // Held while the library is opened, so that two threads don't open it twice.
    let mut opened = OPENED.lock();
    let result = match opened.get(&inspection.digest) {
        Some(result) => result.clone(),
        None => {
            let library = if in_place {
                OpenLibrary::open_in_place(&inspection.file)?
            } else {
                private::open_needed(&inspection.file, &inspection.links)?;
                OpenLibrary::open(&inspection.file, copy)?
            };
            let result = library.root_module(inspection);
            opened.insert(inspection.digest, result.clone());
            result
        }
    };
    // An equal file may have another path.
    result.map_err(|refusal| Refusal { file: inspection.file.clone(), ..refusal })
}

fn warnings(inspection: &Inspection) -> Vec<String> {
    let file = inspection.file.display();
    let unsealed = (inspection.seal == Seal::Missing).then(|| {
        format!(
            "{file} is not sealed: damage to it would not be noticed \
             (remedy: gopiper verify --seal {}; give --attributes if it needs any)",
            for_shell(&inspection.file)
        )
    });
    unsealed.into_iter().collect()
}
