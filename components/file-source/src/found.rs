//! Which files there are.
use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
    fmt,
    fs::{self, Metadata},
    io,
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

use glob::{MatchOptions, Pattern};
use gopiper_abi::Error;

use crate::identity::Inode;

/// As in a shell: `*` stands for no slash, and for no leading dot.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// A file that is there.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) inode: Inode,
    modified: SystemTime,
}

impl Found {
    fn new(path: PathBuf, metadata: &Metadata) -> Self {
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Found { path, inode: Inode::from(metadata), modified }
    }
}

/// What could not be looked at: a file, or a folder.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) path: PathBuf,
    error: io::Error,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot look at {}: {}", self.path.display(), self.error)
    }
}

/// What is wrong with one of the patterns; Lua counts them from 1.
fn at(index: usize, error: String) -> Error {
    Error::attribute(format!("paths[{}]", index + 1), error)
}

/// Refuses what is no glob.
pub(crate) fn check(patterns: &[String]) -> Result<(), Error> {
    if patterns.is_empty() {
        return Err(Error::attribute("paths", "is empty: name at least one file"));
    }
    for (index, pattern) in patterns.iter().enumerate() {
        Pattern::new(pattern)
            .map_err(|error| at(index, format!("'{pattern}' is no glob: {error}")))?;
    }
    Ok(())
}

/// Refuses what matches no file.
pub(crate) fn check_matches(patterns: &[String]) -> Result<(), Error> {
    for (index, pattern) in patterns.iter().enumerate() {
        let mut trouble = String::new();
        let found = matches(pattern).find_map(|file| match file {
            Ok(file) => Some(file),
            Err(error) => {
                trouble = format!(" ({error})");
                None
            }
        });
        if found.is_none() {
            return Err(at(index, format!("no file matches '{pattern}'{trouble}")));
        }
    }
    Ok(())
}

/// The files that match, each once: those changed last come last, of the same time by name. And what
/// could not be looked at.
pub(crate) fn find(patterns: &[String]) -> (Vec<Found>, Vec<Trouble>) {
    let (mut found, mut troubles) = (Vec::new(), Vec::new());
    for file in patterns.iter().flat_map(|pattern| matches(pattern)) {
        match file {
            Ok(file) => found.push(file),
            Err(trouble) => troubles.push(trouble),
        }
    }
    found.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
    let mut inodes = HashSet::new();
    found.retain(|file| inodes.insert(file.inode));
    (found, troubles)
}

/// Of these files, those that lie beside one of the paths: what was renamed.
pub(crate) fn find_beside<'a>(
    paths: impl Iterator<Item = &'a Path>,
    inodes: &HashSet<Inode>,
) -> Vec<Found> {
    let folders: BTreeSet<_> = paths.map(folder_of).collect();
    let entries = folders.into_iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let files = entries.filter_map(|entry| file(entry.ok()?.path())?.ok());
    files.filter(|file| inodes.contains(&file.inode)).collect()
}

/// If the name of a file is another one's by now: where it was renamed to, and that other one.
pub(crate) fn find_renamed(file: &Found) -> Option<Vec<Found>> {
    let there = self::file(file.path.clone()).and_then(Result::ok);
    if there.as_ref().is_some_and(|there| there.inode == file.inode) {
        return None;
    }
    let mut found = find_beside([file.path.as_path()].into_iter(), &HashSet::from([file.inode]));
    if found.is_empty() {
        return None;
    }
    found.extend(there);
    Some(found)
}

/// The folders in which files that match may appear, as far as they are known.
pub(crate) fn folders(patterns: &[String], found: &[Found]) -> BTreeSet<PathBuf> {
    let of_patterns = patterns.iter().map(|pattern| {
        let plain = Path::new(pattern).components().take_while(|part| {
            let part = part.as_os_str().to_string_lossy();
            Pattern::escape(&part) == part
        });
        let plain: PathBuf = plain.collect();
        let plain = if plain.as_os_str().is_empty() { ".".into() } else { plain };
        if plain.as_path() == Path::new(pattern) { folder_of(&plain) } else { plain }
    });
    let of_found = found.iter().map(|file| folder_of(&file.path));
    of_patterns.chain(of_found).collect()
}

/// The folder in which it lies.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => ".".into(),
        Some(folder) => folder.to_owned(),
        None => path.to_owned(),
    }
}

/// What is no regular file (a folder, a pipe) is passed over.
fn matches(pattern: &str) -> impl Iterator<Item = Result<Found, Trouble>> {
    let parts = Path::new(pattern).components().filter(|part| *part != Component::CurDir);
    let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
    let mut reached = Vec::new();
    reach(Path::new(""), &parts, &mut reached);
    reached.into_iter().filter_map(|path| path.map_or_else(|trouble| Some(Err(trouble)), file))
}

/// All that the parts of a glob lead to from a folder. The glob crate's own walk panics at a name that
/// is no text; here `?` stands for what is none in it.
fn reach(folder: &Path, parts: &[Cow<'_, str>], reached: &mut Vec<Result<PathBuf, Trouble>>) {
    let Some((part, rest)) = parts.split_first() else {
        return reached.push(Ok(folder.to_owned()));
    };
    let pattern = Pattern::new(part).ok().filter(|_| Pattern::escape(part) != **part);
    let Some(pattern) = pattern else {
        return reach(&folder.join(&**part), rest, reached);
    };
    let any_folders = part == "**";
    if any_folders {
        reach(folder, rest, reached);
    }
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(listed).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) if is_not_there(&error) => return,
        Err(error) => return reached.push(Err(Trouble { path: listed.to_owned(), error })),
    };
    for entry in entries {
        let (path, name) = (folder.join(entry.file_name()), entry.file_name());
        let name = name.to_string_lossy();
        if !any_folders && pattern.matches_with(&name, OPTIONS) {
            reach(&path, rest, reached);
        } else if any_folders && !name.starts_with('.') && path.is_dir() {
            reach(&path, parts, reached);
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

/// It has just gone, or what should be its folder is none.
fn is_not_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
