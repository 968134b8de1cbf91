//! Finds the files.
use std::{
    borrow::Cow,
    cmp::{Ordering, Reverse},
    collections::{BTreeSet, HashMap, HashSet},
    ffi::OsStr,
    fmt,
    fs::{self, Metadata},
    io,
    path::{Component, Path, PathBuf, absolute},
    time::SystemTime,
};

use glob::{MatchOptions, Pattern};
use gopiper_abi::Error;

use crate::{
    files::{
        identity::{Inode, born},
        patterns::{at, expand},
    },
    progress::checkpoint::Entry,
};

/// As in a shell: `*` matches no slash, and no leading dot.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// So often a folder is listed again, for as long as files are renamed in it.
const MOST_LOOKS: usize = 5;

/// A file that is there.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) inode: Inode,
    pub(crate) born: Option<i64>,
    modified: SystemTime,
    /// How long it was.
    pub(crate) length: u64,
}

impl Found {
    fn new(path: PathBuf, metadata: &Metadata) -> Self {
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let (inode, length) = (Inode::from(metadata), metadata.len());
        Found { path, inode, born: born(metadata), modified, length }
    }

    /// The oldest first. Of files of one moment, as file systems tell time, the one without a
    /// suffix is the newest.
    fn by_age(&self, other: &Self) -> Ordering {
        let name = |file: &Self| file.path.file_name().map_or(0, OsStr::len);
        let age = |file: &Self| (file.modified, file.born, Reverse(name(file)));
        age(self).cmp(&age(other)).then_with(|| self.path.cmp(&other.path))
    }
}

/// Existing files, looked up by the remembered details.
pub(crate) struct Index<'f>(HashMap<u64, Vec<&'f Found>>);

impl<'f> Index<'f> {
    pub(crate) fn of(found: &'f [Found]) -> Self {
        let mut index = HashMap::<u64, Vec<_>>::new();
        found.iter().for_each(|file| index.entry(file.inode.number()).or_default().push(file));
        Index(index)
    }

    pub(crate) fn has(&self, entry: &Entry) -> bool {
        let files = self.0.get(&entry.inode.number());
        files.is_some_and(|files| files.iter().any(|file| entry.may_be_found(file)))
    }
}

/// A file or a folder that could not be looked at.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) path: PathBuf,
    error: io::Error,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot access {}: {}", self.path.display(), self.error)
    }
}

/// Those patterns that match no file, each as an error. `follow`: a file may appear later.
pub(crate) fn without_match(patterns: &[String], follow: bool) -> Vec<Error> {
    let missing = patterns.iter().enumerate().filter_map(|(index, pattern)| {
        let mut trouble = String::new();
        let found = matches(pattern).find_map(|file| match file {
            Ok(file) => Some(file),
            Err(error) => {
                trouble = format!(" ({error})");
                None
            }
        });
        let missing = || {
            let yet = if follow { " yet; waiting for it to appear" } else { "" };
            at(
                index,
                match Path::new(pattern).is_dir() {
                    true => {
                        let folder = pattern.trim_end_matches('/');
                        format!("'{pattern}' is a folder; write '{folder}/*'")
                    }
                    false => format!("no file matches '{pattern}'{trouble}{yet}"),
                },
            )
        };
        found.is_none().then(missing)
    });
    missing.collect()
}

/// Whether a file of this path, which need not be there yet, is one that matches.
pub(crate) fn reads(patterns: &[String], path: &Path) -> bool {
    if let Ok(there) = fs::metadata(path) {
        let inode = Inode::from(&there);
        if find(patterns).0.iter().any(|file| file.inode == inode) {
            return true;
        }
    }
    let Ok(path) = absolute(path) else { return false };
    let Some((folder, name)) = path.parent().zip(path.file_name()) else { return false };
    let (real, name) = (fs::canonicalize(folder).ok(), name.to_string_lossy());
    let expanded = patterns.iter().flat_map(|pattern| expand(pattern).unwrap_or_default());
    expanded.into_iter().any(|pattern| {
        let parts = parts(&pattern);
        let Some((last, folders)) = parts.split_last().filter(|(last, _)| **last != "**") else {
            return false;
        };
        if !Pattern::new(last).is_ok_and(|last| last.matches_with(&name, OPTIONS)) {
            return false;
        }
        // An existing folder may have several names, so links are resolved; a missing one has its
        // name alone.
        let mut reached = Vec::new();
        reach(Path::new(""), folders, &mut reached, &mut Visited::new());
        let folders = reached.into_iter().flatten().map(|folder| fs::canonicalize(listed(&folder)));
        let whole = absolute(&pattern).unwrap_or_default();
        let whole = Pattern::new(&whole.to_string_lossy());
        folders.into_iter().any(|folder| folder.ok() == real && real.is_some())
            || whole.is_ok_and(|whole| whole.matches_path_with(&path, OPTIONS))
    })
}

/// The files that match, each once: those changed last come last, of the same time by name. And
/// what could not be looked at.
pub(crate) fn find(patterns: &[String]) -> (Vec<Found>, Vec<Trouble>) {
    let mut found = find_once(patterns);
    // A file that is renamed while the folder is listed may be missed under both names, and its
    // successor be there.
    for _ in 0..MOST_LOOKS {
        let again = find_once(patterns);
        let is_same = found.0.iter().map(place).eq(again.0.iter().map(place));
        found = again;
        if is_same {
            break;
        }
    }
    found
}

fn place(file: &Found) -> (&Path, Inode) {
    (&file.path, file.inode)
}

fn find_once(patterns: &[String]) -> (Vec<Found>, Vec<Trouble>) {
    let (mut found, mut troubles) = (Vec::new(), Vec::new());
    for file in patterns.iter().flat_map(|pattern| matches(pattern)) {
        match file {
            Ok(file) => found.push(file),
            Err(trouble) => troubles.push(trouble),
        }
    }
    found.sort_by(Found::by_age);
    let mut inodes = HashSet::new();
    found.retain(|file| inodes.insert(file.inode));
    (found, troubles)
}

/// Of the remembered files, those that lie in the folder of one of them, or in the folder that its
/// link leads to: the renamed ones.
pub(crate) fn find_beside(entries: &[Entry]) -> Vec<Found> {
    let real = |entry: &Entry| real(&entry.path);
    let paths = entries.iter().flat_map(|entry| {
        [Some(entry.path.clone()), entry.real.clone(), real(entry)].into_iter().flatten()
    });
    let folders: BTreeSet<_> = paths.map(|path| folder_of(&path)).collect();
    let mut found =
        in_folders(folders, |file| entries.iter().any(|entry| entry.may_be_found(file)));
    found.sort_by(Found::by_age);
    let mut inodes = HashSet::new();
    found.retain(|file| inodes.insert(file.inode));
    found
}

/// Whether the file lies where it was: then it is not looked for elsewhere.
pub(crate) fn is_in_place(entry: &Entry) -> bool {
    file(entry.path.clone()).and_then(Result::ok).is_some_and(|file| entry.may_be_found(&file))
}

fn in_folders(folders: BTreeSet<PathBuf>, is_it: impl Fn(&Found) -> bool) -> Vec<Found> {
    let entries = folders.into_iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let files = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        // As a pattern finds it: `a.log`, not `./a.log`.
        let path = path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
        file(path)?.ok()
    });
    files.filter(is_it).collect()
}

/// The file that a path with a link in it leads to; none if there is no link, or no file.
pub(crate) fn real(path: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(path).ok()?;
    (absolute(path).ok().as_ref() != Some(&real)).then_some(real)
}

/// If the name of a file is another one's by now: where it was renamed to, and that other one.
/// `real` is where it was when it was found, if its name is a link.
pub(crate) fn find_renamed(file: &Found, real: Option<&Path>) -> Option<Vec<Found>> {
    let there = self::file(file.path.clone()).and_then(Result::ok);
    if there.as_ref().is_some_and(|there| there.inode == file.inode) {
        return None;
    }
    let folders = [Some(file.path.as_path()), real].into_iter().flatten().map(folder_of).collect();
    let mut found = in_folders(folders, |other| other.inode == file.inode);
    found.truncate(1);
    if found.is_empty() {
        return None;
    }
    found.extend(there);
    Some(found)
}

/// The folders in which files that match may appear, as far as they are known.
pub(crate) fn folders(patterns: &[String], found: &[Found]) -> BTreeSet<PathBuf> {
    let expanded = patterns.iter().flat_map(|pattern| expand(pattern).unwrap_or_default());
    let of_patterns = expanded.map(|pattern| {
        let plain = Path::new(&pattern).components().take_while(|part| {
            let part = part.as_os_str().to_string_lossy();
            Pattern::escape(&part) == part
        });
        let plain: PathBuf = plain.collect();
        let plain = if plain.as_os_str().is_empty() { ".".into() } else { plain };
        if plain.as_path() == Path::new(&pattern) { folder_of(&plain) } else { plain }
    });
    let of_found = found.iter().map(|file| folder_of(&file.path));
    of_patterns.chain(of_found).collect()
}

/// The folder in which it lies.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => ".".into(),
        Some(folder) => folder.to_owned(),
        None => path.to_owned(),
    }
}

/// Anything but a regular file (a folder, a pipe) is passed over.
fn matches(pattern: &str) -> impl Iterator<Item = Result<Found, Trouble>> {
    let mut reached = Vec::new();
    for pattern in expand(pattern).unwrap_or_default() {
        reach(Path::new(""), &parts(&pattern), &mut reached, &mut Visited::new());
    }
    reached.into_iter().filter_map(|path| path.map_or_else(|trouble| Some(Err(trouble)), file))
}

fn parts(pattern: &str) -> Vec<Cow<'_, str>> {
    let parts = Path::new(pattern).components().filter(|part| *part != Component::CurDir);
    parts.map(|part| part.as_os_str().to_string_lossy()).collect()
}

/// The folders in which `**` has looked, each with how many parts of the glob were left: a link may
/// lead back.
type Visited = HashSet<(Inode, usize)>;

fn listed(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// All that the parts of a glob lead to from a folder. The glob crate's own walk panics at a name
/// that is not text; here `?` replaces the parts of it that are not.
fn reach(
    folder: &Path,
    parts: &[Cow<'_, str>],
    reached: &mut Vec<Result<PathBuf, Trouble>>,
    visited: &mut Visited,
) {
    let Some((part, rest)) = parts.split_first() else {
        return reached.push(Ok(folder.to_owned()));
    };
    let pattern = Pattern::new(part).ok().filter(|_| Pattern::escape(part) != **part);
    let Some(pattern) = pattern else {
        return reach(&folder.join(&**part), rest, reached, visited);
    };
    let any_folders = part == "**";
    let listed = listed(folder);
    if any_folders {
        let inode = fs::metadata(listed).map(|there| Inode::from(&there));
        if inode.is_ok_and(|inode| !visited.insert((inode, parts.len()))) {
            return;
        }
        reach(folder, rest, reached, visited);
    }
    let entries = fs::read_dir(listed).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) if is_not_there(&error) => return,
        Err(error) => return reached.push(Err(Trouble { path: listed.to_owned(), error })),
    };
    // The target of a link is looked at under its own name first.
    let (links, others): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    for entry in others.into_iter().chain(links) {
        let (path, name) = (folder.join(entry.file_name()), entry.file_name());
        let name = name.to_string_lossy();
        if !any_folders && pattern.matches_with(&name, OPTIONS) {
            reach(&path, rest, reached, visited);
        } else if any_folders && !name.starts_with('.') && path.is_dir() {
            reach(&path, parts, reached, visited);
        }
    }
}

fn file(path: PathBuf) -> Option<Result<Found, Trouble>> {
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Some(Ok(Found::new(path, &metadata))),
        Ok(_) => None,
        Err(error) if is_not_there(&error) => None,
        Err(error) => Some(Err(Trouble { path, error })),
    }
}

/// It has just gone, or its folder is not a folder.
fn is_not_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
