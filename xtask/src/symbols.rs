//! Symbols of libraries, for debuggers and profilers, in files beside them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::succeed;

/// Moves a library's symbols into `folder`, in the layout in which debuggers look for the symbols
/// of a build ID, as they do in /usr/lib/debug.
pub(crate) fn split(library: &Path, folder: &Path) -> Result<()> {
    let id = build_id(library)?;
    let (first, rest) = id.split_at_checked(2).context("a build ID has several bytes")?;
    let folder = folder.join(".build-id").join(first);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let symbols = folder.join(format!("{rest}.debug"));
    succeed(Command::new("objcopy").arg("--only-keep-debug").arg(library).arg(symbols))?;
    succeed(Command::new("objcopy").arg("--strip-all").arg(library))
}

fn build_id(library: &Path) -> Result<String> {
    let output = Command::new("readelf").arg("--notes").arg(library).env("LC_ALL", "C").output();
    let output = output.context("cannot start readelf (install binutils)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().find_map(|line| line.trim().strip_prefix("Build ID: ")) {
        Some(id) => Ok(id.to_owned()),
        None => bail!("{} has no build ID: link it with --build-id", library.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_loses_its_symbols_to_the_file_of_its_build_id() {
        let folder = tempfile::tempdir().unwrap();
        let (source, library) = (folder.path().join("a.c"), folder.path().join("a.so"));
        fs::write(
            &source,
            "static int inner(void) { return 7; } int outer(void) { return inner(); }",
        )
        .unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-g", "-O0", "-shared", "-fPIC", "-Wl,--build-id=0xabcdef01", "-o"]);
        succeed(cc.arg(&library).arg(&source)).unwrap();
        split(&library, &folder.path().join("symbols")).unwrap();
        let symbols = folder.path().join("symbols/.build-id/ab/cdef01.debug");
        let names = |file: &Path| {
            let output = Command::new("nm").arg(file).output().unwrap();
            String::from_utf8_lossy(&output.stdout).contains("inner")
        };
        assert!(names(&symbols) && !names(&library));
        assert_eq!(build_id(&library).unwrap(), "abcdef01");
    }
}
