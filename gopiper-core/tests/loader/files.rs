//! The places of the files, and the checks of a refusal.

use std::{
    env, fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use gopiper_core::loader::{self, Gate, Refusal};
use tempfile::TempDir;

use crate::common;

/// The exit code of a program that refuses a component.
const REFUSED: i32 = 78;
/// The file that the variants write to when they are opened.
const MARKER: &str = "GOPIPER_TEST_MARKER";

/// A file that `cargo xtask variants` has built.
pub(crate) fn variants(file: &str) -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/variants");
    let folder = env::var_os("GOPIPER_TEST_VARIANTS").map_or(default, PathBuf::from);
    let file = folder.join(file);
    assert!(file.exists(), "{} is not there; run: cargo xtask test", file.display());
    file
}

/// The component file of that variant.
pub(crate) fn variant(name: &str) -> PathBuf {
    variants(&format!("{name}.so"))
}

/// A place for files that go when the test ends.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Scratch(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("written");
        path
    }

    /// A copy of that file, sealed.
    pub(crate) fn sealed(&self, file: &Path) -> PathBuf {
        let bytes = fs::read(file).expect("read");
        let copy = self.write(&file.file_name().expect("a name").to_string_lossy(), &bytes);
        loader::seal(&copy).unwrap_or_else(|refusal| panic!("{refusal}"));
        copy
    }
}

/// The result of a program that loaded a file.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Whether code of a variant has run.
    pub(crate) ran: bool,
}

/// Runs a program that was not ended by a signal, whatever it loaded.
pub(crate) fn child(program: &Path, arguments: &[&Path]) -> Child {
    let scratch = Scratch::new();
    let marker = scratch.path("marker");
    let output = Command::new(program)
        .args(arguments)
        .env(MARKER, &marker)
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let child = Child { status: output.status, stdout, stderr, ran: marker.exists() };
    assert_eq!(child.status.signal(), None, "ended by a signal: {child:?}");
    child
}

/// `gopiper verify FILE`, the gates alone.
pub(crate) fn verify(file: &Path) -> Child {
    let gates = ["--include", "gates::", "--only-failed"].map(Path::new);
    child(&common::program("gopiper"), &[&[Path::new("verify"), file], &gates[..]].concat())
}

/// The file is refused by that gate: by the program, with the right code, in few words and before
/// code of it has run that must not run; and by the library, with the same words.
#[track_caller]
pub(crate) fn assert_refused(file: &Path, gate: Gate) -> Refusal {
    let child = verify(file);
    assert_eq!(child.status.code(), Some(REFUSED), "{child:?}");
    // The message of a component's panic comes first.
    let start = child.stderr.find("refused: ").unwrap_or_else(|| panic!("{child:?}"));
    let said = child.stderr[start..].trim_end();
    assert_in_few_words(said, file);
    assert_eq!(child.ran, gate == Gate::Layout, "what ran, of a file refused by {gate:?}");

    let refusal = loader::load(file, &loader::Trust::default()).expect_err("refused");
    assert_eq!((refusal.gate, refusal.to_string().as_str()), (gate, said));
    refusal
}

/// The needs of an operator at night.
#[track_caller]
pub(crate) fn assert_in_few_words(said: &str, file: &Path) {
    assert!(said.lines().count() <= 8 && said.len() < 1000, "{} bytes:\n{said}", said.len());
    assert!(said.starts_with(&format!("refused: {} ", file.display())), "{said}");
    for part in ["\n  found:   ", "\n  wanted:  ", "\n  remedy:  "] {
        let rest = said.split_once(part).map(|(_, rest)| rest);
        assert!(rest.is_some_and(|rest| rest.starts_with(char::is_alphanumeric)), "{part}{said}");
    }
    for noise in ["TypeLayout", "{", "\t", "/proc/", " 0x"] {
        assert!(!said.contains(noise), "{noise:?} in\n{said}");
    }
}

/// Runs the body of `test` in a process of its own, in which no code of a component must run.
pub(crate) fn in_a_process_of_its_own(test: &str, body: impl FnOnce()) {
    const TEST: &str = "GOPIPER_TEST_IN_CHILD";
    if env::var_os(TEST).is_some_and(|name| *name == *test) {
        return body();
    }
    let scratch = Scratch::new();
    let marker = scratch.path("marker");
    let output = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env(TEST, test)
        .env(MARKER, &marker)
        .output()
        .expect("started again");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}", output.status);
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "no test {test}");
    assert!(!marker.exists(), "code of a component has run");
}
