//! A pipeline at work, and its operator.
use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Home, gopiper, pipeline_text, stderr, stdout};

/// Longer than anything takes, unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn runtime_directory(home: &Home) -> PathBuf {
    home.folder.path().join("run")
}

/// A pipeline at work, in a runtime directory of its own.
pub struct RunningPipeline {
    pub program: Child,
    /// Until a thread takes it.
    pub input: Option<ChildStdin>,
    pub home: Home,
}

impl RunningPipeline {
    /// Standard input, these components, and standard output.
    pub fn new(between: &str) -> Self {
        Self::of(&pipeline_text(between, "{}"))
    }

    /// A pipeline of this text.
    pub fn of(text: &str) -> Self {
        let home = Home::new(text);
        let mut command = home.gopiper(&["run"]);
        DirBuilder::new().mode(0o700).create(runtime_directory(&home)).expect("made");
        command.env("XDG_RUNTIME_DIR", runtime_directory(&home)).stdin(Stdio::piped());
        let mut program = command.spawn().expect("it starts");
        let input = program.stdin.take();
        let mut at_work = RunningPipeline { program, input, home };
        let until = Instant::now() + PATIENCE;
        let running = format!("{}  running", at_work.pid());
        while !stdout(&at_work.ask(&["list", "--running"])).contains(&running) {
            let ended = at_work.program.try_wait().expect("a child");
            assert!(ended.is_none() && Instant::now() < until, "it does not run: {ended:?}");
            thread::sleep(Duration::from_millis(10));
        }
        at_work
    }

    pub fn pid(&self) -> String {
        self.program.id().to_string()
    }

    pub fn socket(&self) -> PathBuf {
        runtime_directory(&self.home).join(format!("gopiper/{}.sock", self.pid()))
    }

    /// A command of an operator who has the same runtime directory.
    pub fn ask(&self, arguments: &[&str]) -> Output {
        self.asking(arguments).output().expect("the program starts")
    }

    pub fn asking(&self, arguments: &[&str]) -> Command {
        let mut command = gopiper();
        command.args(arguments).env("XDG_RUNTIME_DIR", runtime_directory(&self.home));
        command
    }

    /// The row of a component in `gopiper top --json`.
    pub fn row(&self, id: &str) -> Value {
        let arguments = ["top", "--pid", &self.pid(), "--once", "--json", "--interval", "0.1"];
        let output = self.ask(&arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        let rows = stdout(&output);
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object"));
        rows.into_iter().find(|row| row["id"] == id).expect("a row")
    }
}

impl Drop for RunningPipeline {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
