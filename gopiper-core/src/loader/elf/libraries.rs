//! Finds the libraries that a file needs, where the dynamic linker would look for them.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::{env, fs};

use super::dynamic::Links;
use super::{Elf, HERE};

/// The list of libraries that `ldconfig` writes.
const CACHE: &str = "/etc/ld.so.cache";

/// A library that a file needs.
pub(crate) struct FoundLibrary {
    pub(crate) path: PathBuf,
    /// Found in the file's own search path.
    pub(crate) is_own: bool,
}

impl Links {
    /// The names of libraries that are not there: those that `file` needs, those that they need,
    /// and so on.
    pub(crate) fn missing(&self, file: &Path) -> Vec<String> {
        let (mut missing, mut known) = (Vec::new(), BTreeSet::new());
        let mut open = VecDeque::from([(file.to_owned(), self.clone())]);
        while let Some((of, links)) = open.pop_front() {
            for name in links.needed.iter().filter(|name| known.insert((*name).clone())) {
                // The search path of the first file may serve all, too (RPATH).
                let found = links.find(&of, name).or_else(|| self.find(file, name));
                match found {
                    Some(FoundLibrary { path, .. }) => {
                        open.extend(links_of(&path).map(|links| (path, links)));
                    }
                    None => missing.push(name.clone()),
                }
            }
        }
        missing
    }

    /// Finds the library of that name for `file`, which has these links.
    pub(crate) fn find(&self, file: &Path, name: &str) -> Option<FoundLibrary> {
        let found = |is_own| move |path| FoundLibrary { path, is_own };
        if name.contains('/') {
            return Some(PathBuf::from(name)).filter(|path| is_library(path)).map(found(false));
        }
        // A file with a RUNPATH has no RPATH for the dynamic linker.
        let rpath = if self.runpath.is_empty() { &self.rpath[..] } else { &[] };
        let environment = env::var("LD_LIBRARY_PATH").unwrap_or_default();
        let environment = environment.split([':', ';']).filter(|_| !environment.is_empty());
        own_folders(rpath, file)
            .find_map(|folder| in_folder(&folder, name))
            .map(found(true))
            .or_else(|| {
                environment.map(Path::new).find_map(|at| in_folder(at, name)).map(found(false))
            })
            .or_else(|| {
                let mut folders = own_folders(&self.runpath, file);
                folders.find_map(|folder| in_folder(&folder, name)).map(found(true))
            })
            .or_else(|| in_system(name).map(found(false)))
    }
}

/// The links of a library; none if it cannot be read, which the dynamic linker will say.
fn links_of(library: &Path) -> Option<Links> {
    let bytes = fs::read(library).ok()?;
    Elf::parse(library, &bytes).and_then(|elf| elf.links()).ok()
}

/// The folders of a file's own search path. `$ORIGIN` is the file's folder.
fn own_folders(path: &[String], file: &Path) -> impl Iterator<Item = PathBuf> {
    let origin = fs::canonicalize(file).ok().and_then(|file| Some(file.parent()?.to_owned()));
    let origin = origin.and_then(|origin| Some(origin.to_str()?.to_owned()));
    path.iter().filter_map(move |folder| {
        let folder = match &origin {
            Some(origin) => folder.replace("$ORIGIN", origin).replace("${ORIGIN}", origin),
            None => folder.clone(),
        };
        // $LIB and $PLATFORM are not known here.
        (!folder.contains('$')).then(|| folder.into())
    })
}

fn in_folder(folder: &Path, name: &str) -> Option<PathBuf> {
    Some(folder.join(name)).filter(|path| is_library(path))
}

/// A library that `ldconfig` knows, or in the folders that are always searched.
fn in_system(name: &str) -> Option<PathBuf> {
    let cache = fs::read(CACHE).unwrap_or_default();
    let known = in_cache(&cache, name).find(|path| is_library(path));
    known.or_else(|| {
        let machine = env::consts::ARCH;
        let debian = ["/lib", "/usr/lib"].map(|at| format!("{at}/{machine}-linux-gnu"));
        let all = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(str::to_owned);
        debian.iter().chain(&all).find_map(|folder| in_folder(Path::new(folder), name))
    })
}

/// The paths of that name in a list of `ldconfig`, of the form that glibc 2.2 and later read:
/// 48 bytes of head, then entries of 24 bytes, with the places of name and path at byte 4 and 8.
fn in_cache<'a>(cache: &'a [u8], name: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    // Older systems write a list of an older form before it.
    let head = b"glibc-ld.so.cache1.1";
    let start = cache.windows(head.len()).position(|window| window == head);
    let start = start.unwrap_or(cache.len());
    let table = &cache[start..];
    let number = |at: usize| {
        let bytes = table.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes) as usize)
    };
    let text = move |at: usize| {
        let text = table.get(at..)?;
        std::str::from_utf8(&text[..text.iter().position(|byte| *byte == 0)?]).ok()
    };
    let count = number(20).unwrap_or(0);
    let entries = (0..count).map(|entry| 48 + 24 * entry);
    let places = entries.map_while(move |at| Some((number(at + 4)?, number(at + 8)?)));
    places
        .filter(move |(key, _)| text(*key) == Some(name))
        .filter_map(move |(_, path)| text(path).map(PathBuf::from))
}

/// Whether this is an ELF file for this machine: the dynamic linker passes over others.
fn is_library(path: &Path) -> bool {
    let mut head = [0; 20];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut head, 0));
    let machine = u16::from_le_bytes([head[18], head[19]]);
    read.is_ok() && head.starts_with(b"\x7fELF\x02\x01") && machine == HERE.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loader::tests::real_library;

    fn links(needed: &[&str], runpath: &str) -> Links {
        Links {
            needed: needed.iter().map(|name| (*name).to_owned()).collect(),
            runpath: vec![runpath.to_owned()],
            ..Links::default()
        }
    }

    #[test]
    fn libraries_are_found_in_the_system_and_beside_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("component.so");
        fs::write(&file, real_library()).unwrap();
        fs::create_dir(dir.path().join("private")).unwrap();
        fs::write(dir.path().join("private/libown.so.1"), real_library()).unwrap();
        fs::write(dir.path().join("private/libtext.so.1"), "INPUT(libown.so.1)").unwrap();

        let needed = ["libc.so.6", "libgcc_s.so.1", "libown.so.1", "libtext.so.1", "libno.so.1"];
        let of = links(&needed, "$ORIGIN/private");
        assert_eq!(of.missing(&file), ["libtext.so.1", "libno.so.1"]);
        let own = of.find(&file, "libown.so.1").unwrap();
        let expected = fs::canonicalize(dir.path()).unwrap().join("private/libown.so.1");
        assert!(own.is_own && own.path == expected, "{}", own.path.display());
        assert!(!of.find(&file, "libc.so.6").unwrap().is_own);
        // Through a link to the file, the origin is the file's folder.
        let link = tempfile::tempdir().unwrap();
        let link = link.path().join("link.so");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(of.find(&link, "libown.so.1").unwrap().path, expected);
        assert_eq!(links(&needed, "${ORIGIN}").missing(&file).len(), 3);
    }

    #[test]
    fn any_list_of_libraries_is_read_or_left() {
        let cache = fs::read(CACHE).unwrap_or_default();
        for end in (0..cache.len().min(4000)).chain([cache.len()]) {
            let _ = in_cache(&cache[..end], "libc.so.6").count();
        }
        assert_eq!(in_cache(b"glibc-ld.so.cache1.1\xff\xff\xff\xff", "libc.so.6").count(), 0);
        if !cache.is_empty() {
            assert!(in_cache(&cache, "libc.so.6").any(|path| is_library(&path)));
        }
    }
}
