//! Runs the program as an operator does.
#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]
pub mod running;

pub mod served;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};

/// The workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace is there")
}

fn from_environment(name: &str, default: &str) -> PathBuf {
    let path = std::env::var_os(name).map_or_else(|| root().join(default), PathBuf::from);
    assert!(path.exists(), "{} is not there; run: cargo xtask test", path.display());
    path
}

/// The folder of the components.
pub fn plugins() -> PathBuf {
    from_environment("GOPIPER_TEST_PLUGINS", "target/test-plugins")
}

/// Headers and libraries for C.
pub fn c_folder() -> PathBuf {
    from_environment("GOPIPER_TEST_C", "target/test-c")
}

/// Compiles a component in C, with the libraries that `cargo xtask test` has built.
pub fn component_in_c(source: &Path, file: &Path) {
    let lib = c_folder().join("lib");
    let map = format!("-Wl,--version-script={}", lib.join("gopiper_component.map").display());
    let mut compiler = Command::new("cc");
    compiler.args(["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O2", "-o"]).arg(file);
    compiler.arg(source).arg("-I").arg(c_folder().join("include"));
    compiler.arg(lib.join("libgopiper_component.a")).arg(map);
    compiler.args(["-Wl,--gc-sections", "-Wl,-z,defs", "-lpthread", "-ldl", "-lm"]);
    let output = compiler.output().expect("a compiler");
    assert!(output.status.success(), "{}", stderr(&output));
}

/// Components that must be refused, or are not sealed.
pub fn variants() -> PathBuf {
    from_environment("GOPIPER_TEST_VARIANTS", "target/variants")
}

/// The program, which finds only its components on this machine.
pub fn gopiper() -> Command {
    let mut command =
        Command::new(from_environment("GOPIPER_TEST_PROGRAM", "target/debug/gopiper"));
    command.env_clear().env("GOPIPER_COMPONENT_PATH", plugins()).current_dir(root());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs an author's or operator's commands, with the program on the path.
pub fn shell(commands: &str, folder: &Path) -> Output {
    let program = PathBuf::from(gopiper().get_program());
    let beside = program.parent().expect("a folder").display().to_string();
    Command::new("sh")
        .args(["-ec", commands])
        .current_dir(folder)
        .env("PATH", format!("{beside}:{}", std::env::var("PATH").unwrap_or_default()))
        .env("GOPIPER_COMPONENT_PATH", plugins())
        .env("GOPIPER_C_KIT", c_folder())
        // The test may run in a workspace with another folder for build output.
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .expect("a shell")
}

/// The output of commands that succeed.
pub fn runs(commands: &str, folder: &Path) -> String {
    let output = shell(commands, folder);
    let said = stdout(&output);
    assert!(output.status.success(), "{commands}: {}\n{}{said}", output.status, stderr(&output));
    said
}

/// The blocks of a text that are marked so, each as its lines.
pub fn blocks_of(text: &str, language: &str) -> Vec<String> {
    let inside = text.split("```").skip(1).step_by(2);
    let blocks = inside.filter_map(|block| block.strip_prefix(&format!("{language}\n")));
    blocks.map(str::to_owned).collect()
}

/// Runs it with this input.
pub fn run(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program starts");
    let feeder = feed(&mut child, input.to_vec());
    let output = child.wait_with_output().expect("the program ends");
    feeder.join().expect("the input was given");
    output
}

/// Gives it input from a thread; a program that doesn't read to the end is not a failure.
pub fn feed(child: &mut Child, input: Vec<u8>) -> thread::JoinHandle<()> {
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    thread::spawn(move || drop(stdin.write_all(&input)))
}

/// Sends it a signal.
pub fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it is there");
}

/// Its standard output.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Its standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A file with a pipeline of these components between standard input and output.
pub fn pipeline(between: &str, stdin: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".lua").tempfile().expect("a temporary file");
    file.write_all(pipeline_text(between, stdin).as_bytes()).expect("written");
    file
}

/// The text of such a file. Each component between ends with a comma.
pub fn pipeline_text(between: &str, stdin: &str) -> String {
    format!(
        "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('stdin_component.so', {stdin}),
  {between}
  gopiper.loadComponent('stdout_component.so', {{}}),
}})
"
    )
}

/// Copies the examples into a folder: their files are written beside them.
pub fn copy_examples(folder: &Path) {
    for part in ["examples", "examples/data"] {
        fs::create_dir_all(folder.join(part)).expect("a folder");
        for entry in fs::read_dir(root().join(part)).expect("the examples").flatten() {
            let path = entry.path();
            if path.is_file() {
                fs::copy(&path, folder.join(part).join(entry.file_name())).expect("copied");
            }
        }
    }
}

/// A folder with a pipeline's file, and a state directory that the program creates.
pub struct Home {
    pub folder: tempfile::TempDir,
    pub file: PathBuf,
    pub state: PathBuf,
}

impl Home {
    pub fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, state) = (folder.path().join("p.lua"), folder.path().join("state"));
        let home = Home { folder, file, state };
        home.write(text);
        home
    }

    /// Replaces the file.
    pub fn write(&self, text: &str) {
        fs::write(&self.file, text).expect("written");
    }

    /// The program with these arguments, followed by the file.
    pub fn gopiper(&self, arguments: &[&str]) -> Command {
        let mut command = gopiper();
        command.args(arguments).arg(&self.file).env("GOPIPER_STATE_DIR", &self.state);
        command
    }

    /// Runs it with this input.
    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        run(&mut self.gopiper(arguments), input)
    }
}
