//! The private libraries of a component: those that it finds by its own search path.
//!
//! The dynamic linker would look for them beside the private copy of the file, where they are not.
//! So they are opened first, and it finds them by their names (SONAME): whatever opens it, a
//! process has one library of each name. Two of one name with other contents are refused, unless
//! the symbols of that name have versions (libc, libstdc++), which the dynamic linker compares.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::elf::{Elf, Links};
use super::file::PrivateCopy;
use super::open::{open_copy, path_of_open};
use super::refusal::{Gate, Refusal};

/// The private libraries that are open, by their names.
static OPEN: Mutex<BTreeMap<String, OpenPrivate>> = Mutex::new(BTreeMap::new());

#[derive(Clone)]
struct OpenPrivate {
    path: PathBuf,
    contents: blake3::Hash,
}

/// Opens the private libraries that `file` needs, those that they need first.
pub(super) fn open_needed(file: &Path, links: &Links) -> Result<(), Refusal> {
    open_all(&[(file, links)])
}

/// Opens the private libraries that the last of these files needs. Each of the others needs the
/// next one.
fn open_all(chain: &[(&Path, &Links)]) -> Result<(), Refusal> {
    let Some(&(file, links)) = chain.last() else { return Ok(()) };
    for name in &links.needed {
        let known = OPEN.lock().get(name).cloned();
        let own = chain.iter().find_map(|(file, links)| {
            // As for the dynamic linker: what the first file needs is open for those after it, and
            // an RPATH counts for them.
            let is_searched = links.needed.contains(name) || links.runpath.is_empty();
            is_searched.then(|| links.find(file, name))?.filter(|found| found.is_own)
        });
        let other = || links.find(file, name).filter(|_| known.is_some());
        let Some(found) = own.or_else(other) else { continue };
        let copy = PrivateCopy::of(&found.path)?;
        let contents = blake3::hash(copy.bytes());
        let open = match known {
            Some(known) => Some((known.path, Some(known.contents))),
            None => path_of_open(name).map(|path| {
                let contents = fs::read(&path).ok().map(|bytes| blake3::hash(&bytes));
                (path, contents)
            }),
        };
        let Some((open, its_contents)) = open else {
            open_private(chain, name, found.path, copy, contents)?;
            continue;
        };
        let is_versioned = links.versions.iter().any(|(of, _)| of == name);
        if !is_versioned && its_contents != Some(contents) {
            return Err(two_of_one_name(file, name, &found.path, &open));
        }
    }
    Ok(())
}

/// Opens the copy of a library that the last of these files needs by this name.
fn open_private(
    chain: &[(&Path, &Links)],
    name: &str,
    path: PathBuf,
    copy: PrivateCopy,
    contents: blake3::Hash,
) -> Result<(), Refusal> {
    let own = Elf::parse(&path, copy.bytes())?.links()?;
    if let Some((file, _)) = chain.last()
        && own.soname.as_deref() != Some(name)
    {
        return Err(another_name(file, name, &path, own.soname.as_deref()));
    }
    // First: libraries may need each other.
    OPEN.lock().insert(name.to_owned(), OpenPrivate { path: path.clone(), contents });
    let chain = [chain, &[(&path, &own)]].concat();
    let opened = open_all(&chain).and_then(|()| open_copy(&path, copy));
    if opened.is_err() {
        OPEN.lock().remove(name);
    }
    opened.map(drop)
}

fn two_of_one_name(file: &Path, name: &str, own: &Path, open: &Path) -> Refusal {
    Refusal::new(
        file,
        Gate::Open,
        "has a private library of a name that is taken",
        format!("its {} and {}, which is open,\ndiffer", own.display(), open.display()),
        format!("one {name} in a process"),
        "give each its own name (-Wl,-soname, or patchelf --set-soname and --replace-needed),\n\
         link it into the component, or, if it was replaced, start gopiper again",
    )
}

fn another_name(file: &Path, name: &str, own: &Path, soname: Option<&str>) -> Refusal {
    let has = soname.map_or("has no SONAME".into(), |soname| format!("has the SONAME {soname}"));
    Refusal::new(
        file,
        Gate::Open,
        "has a private library without its name",
        format!("its {} {has}", own.display()),
        format!("a library with the SONAME {name}"),
        format!("link the library with -Wl,-soname,{name}"),
    )
}
