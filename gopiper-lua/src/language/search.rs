//! The search path of components.
use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use gopiper_abi::nearest::nearest;

/// The ending of the names of component files, before `.so`.
const ENDING: &str = "_component";

/// The folder where packages put components for all users.
const SYSTEM: &str = "/usr/lib/gopiper/components";

/// The directories that are searched for components, in order: that of the Lua file, the given
/// ones, that of the program, the system's. Never the working directory unless it is one of them.
#[derive(Debug, Clone)]
pub struct SearchPath(Vec<PathBuf>);

impl SearchPath {
    /// For a Lua file, and the directories given.
    pub fn new(lua_file: &Path, given: &[PathBuf]) -> Self {
        let beside_file = lua_file.parent().map(Path::to_path_buf);
        let program = std::env::current_exe().ok();
        let beside_program = program.and_then(|program| program.parent().map(Path::to_path_buf));
        // An empty one between two colons is not the working directory.
        let given = given.iter().filter(|directory| !directory.as_os_str().is_empty()).cloned();
        let mut directories: Vec<_> = beside_file.into_iter().chain(given).collect();
        directories.extend(beside_program);
        directories.push(SYSTEM.into());
        let mut known = Vec::new();
        directories.retain(|directory| {
            let place = fs::canonicalize(here(directory)).unwrap_or_else(|_| directory.clone());
            let is_new = !known.contains(&place);
            known.push(place);
            is_new
        });
        SearchPath(directories)
    }

    /// A warning for each given directory that does not exist.
    pub fn missing(given: &[PathBuf]) -> Vec<String> {
        let given = given.iter().filter(|directory| !directory.as_os_str().is_empty());
        let missing = given.filter(|directory| !directory.is_dir());
        let said = |directory: &PathBuf| {
            format!(
                "there is no directory {} (--component-path, GOPIPER_COMPONENT_PATH)",
                directory.display()
            )
        };
        missing.map(said).collect()
    }

    /// The file that `name` means. A name with a slash in it is a path, from the Lua file's
    /// directory.
    pub(crate) fn find(&self, name: &str) -> Result<PathBuf, Missing> {
        let directories = if name.contains('/') { &self.0[..1] } else { &self.0[..] };
        let candidates: Vec<_> = directories.iter().map(|directory| directory.join(name)).collect();
        match candidates.iter().find(|candidate| candidate.exists()) {
            Some(found) => Ok(found.clone()),
            None => Err(Missing { name: name.to_owned(), meant: self.meant(name), candidates }),
        }
    }

    /// The components that a name without a slash finds, by their file names.
    pub fn components(&self) -> BTreeMap<String, PathBuf> {
        let mut found = BTreeMap::new();
        for directory in &self.0 {
            found.extend(
                in_directory(directory)
                    .filter(|(name, _)| !found.contains_key(name))
                    .collect::<Vec<_>>(),
            );
        }
        found
    }

    /// The question after an unknown name (`did you mean …?`); empty if no known name is similar.
    fn meant(&self, name: &str) -> String {
        let (directory, file) =
            name.rsplit_once('/').map_or(("", name), |(path, file)| (path, file));
        let known: Vec<String> = match directory {
            "" => self.components().into_keys().collect(),
            path => in_directory(&self.0[0].join(path)).map(|(name, _)| name).collect(),
        };
        // The ending that all of them have says nothing.
        let stem = |name: &str| name.trim_end_matches(".so").trim_end_matches(ENDING).to_owned();
        let stems: Vec<_> = known.iter().map(|name| stem(name)).collect();
        let stems: Vec<_> = stems.iter().map(String::as_str).collect();
        let names: Vec<_> = known.iter().map(String::as_str).collect();
        let whole = if file.contains(ENDING) { None } else { nearest(file, &names) };
        let near = nearest(&stem(file), &stems);
        let by_stem = names.iter().find(|name| Some(&*stem(name)) == near).copied();
        let Some(name) = by_stem.or(whole).filter(|name| *name != file) else {
            return String::new();
        };
        format!("; did you mean '{name}'?")
    }
}

/// A directory as the system calls it: the empty path is the working directory.
pub(crate) fn here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}

/// The files in a directory whose names end in `.so`.
fn in_directory(directory: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let files = fs::read_dir(here(directory)).into_iter().flatten().flatten();
    let directory = directory.to_owned();
    files.filter_map(move |file| {
        let name = file.file_name().into_string().ok()?;
        let path = directory.join(&name);
        name.ends_with(".so").then_some((name, path))
    })
}

/// The places where a missing file was searched for.
#[derive(Debug)]
pub(crate) struct Missing {
    name: String,
    meant: String,
    candidates: Vec<PathBuf>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no '{}'{}\nlooked for it at", self.name, self.meant)?;
        self.candidates.iter().try_for_each(|path| write!(f, "\n  {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_the_lua_file_comes_first_and_a_path_is_taken_from_there() {
        let directory = tempfile::tempdir().unwrap();
        let (near, far) = (directory.path().join("near"), directory.path().join("far"));
        for place in [&near, &far] {
            std::fs::create_dir(place).unwrap();
            std::fs::write(place.join("a.so"), "").unwrap();
        }
        std::fs::write(far.join("b.so"), "").unwrap();
        let path = SearchPath::new(&near.join("pipeline.lua"), std::slice::from_ref(&far));
        let find = |name| path.find(name).unwrap();
        assert_eq!(find("a.so"), near.join("a.so"));
        assert_eq!(find("b.so"), far.join("b.so"));
        assert_eq!(find("../far/b.so"), near.join("../far/b.so"));
        assert_eq!(path.find("./b.so").unwrap_err().candidates, [near.join("./b.so")]);
        let missing = path.find("b.s").unwrap_err();
        assert!(missing.candidates.contains(&PathBuf::from(SYSTEM).join("b.s")));
        assert!(missing.to_string().starts_with("there is no 'b.s'; did you mean 'b.so'?\n"));
        std::fs::write(far.join("odd_component.so"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", far.join("gone_component.so")).unwrap();
        let said = |name| path.find(name).unwrap_err().to_string();
        assert!(said("ood_component.so").contains("did you mean 'odd_component.so'?"));
        for name in ["quux_component.so", "gone_component.so"] {
            assert!(!said(name).contains("did you mean"), "{}", said(name));
        }
    }
}
