//! Where components are looked for.
use std::path::{Path, PathBuf};

/// Where packages put components for all users.
const SYSTEM: &str = "/usr/lib/gopiper/components";

/// Where components are looked for, in order: beside the Lua file, in the directories given, beside
/// the program, in the system's. Never in the working directory unasked.
#[derive(Debug, Clone)]
pub(crate) struct SearchPath(Vec<PathBuf>);

impl SearchPath {
    pub(crate) fn new(lua_file: &Path, given: &[PathBuf]) -> Self {
        let beside_file = lua_file.parent().map(Path::to_path_buf);
        let program = std::env::current_exe().ok();
        let beside_program = program.and_then(|program| program.parent().map(Path::to_path_buf));
        let mut directories: Vec<_> =
            beside_file.into_iter().chain(given.iter().cloned()).collect();
        directories.extend(beside_program);
        directories.push(SYSTEM.into());
        SearchPath(directories)
    }

    /// The file that `name` means; where it was looked for if there is none. A name with a slash in
    /// it is a path, from the Lua file's directory.
    pub(crate) fn find(&self, name: &str) -> Result<PathBuf, Vec<PathBuf>> {
        let directories = if name.contains('/') { &self.0[..1] } else { &self.0[..] };
        let candidates: Vec<_> = directories.iter().map(|directory| directory.join(name)).collect();
        match candidates.iter().find(|candidate| candidate.exists()) {
            Some(found) => Ok(found.clone()),
            None => Err(candidates),
        }
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
        assert_eq!(path.find("a.so"), Ok(near.join("a.so")));
        assert_eq!(path.find("b.so"), Ok(far.join("b.so")));
        assert_eq!(path.find("../far/b.so"), Ok(near.join("../far/b.so")));
        assert_eq!(path.find("./b.so"), Err(vec![near.join("./b.so")]));
        assert!(path.find("c.so").unwrap_err().contains(&PathBuf::from(SYSTEM).join("c.so")));
    }
}
