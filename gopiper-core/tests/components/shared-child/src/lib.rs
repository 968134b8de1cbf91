//! Proves the interface: a child process maps the payloads of a batch from the memory that the
//! host's payload service handed out, and reports its findings. No payload goes through a pipe.
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use gopiper_abi::{
    BatchCall, BatchComponent, Error, Factory, HandleFlags, Message, Parallel, Postponed, Report,
    attributes, export_component,
};

attributes! {
    /// Keeps the messages in whose bytes a child process counts at least one vowel.
    pub struct Attributes {
        /// The child's program: it reads lines of `descriptor offset length`, and answers each with
        /// a number.
        pub program: String,
    }
}

/// Makes [`SharedChild`]ren.
pub struct SharedChildFactory(String);

impl Factory for SharedChildFactory {
    type Component = SharedChild;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        Ok(SharedChildFactory(attributes.program))
    }

    fn create(&self, _postponed: Postponed) -> Result<SharedChild, Error> {
        let mut command = Command::new(&self.0);
        let command = command.arg(std::process::id().to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (questions, answers) = pipes.ok_or_else(|| Error::new("the child has no pipes"))?;
        Ok(SharedChild { child, questions: Some(questions), answers: BufReader::new(answers) })
    }

    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }
}

/// The component of the one worker.
pub struct SharedChild {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl SharedChild {
    /// Has the child look at a message where it lies.
    fn ask(&mut self, message: &Message) -> Result<u64, Error> {
        let payload = message.payload();
        let region =
            payload.region().ok_or_else(|| Error::new("this payload is not in shared memory"))?;
        let offset = region.offset + (payload.as_ptr().addr() - region.base.addr()) as u64;
        let questions = self.questions.as_mut().ok_or_else(|| Error::new("the child has gone"))?;
        writeln!(questions, "{} {offset} {}", region.descriptor, payload.len())?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim().parse()?)
    }
}

impl BatchComponent for SharedChild {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        call.report_each(|_, message| match self.ask(message) {
            Ok(0) => Report::DROP,
            Ok(_) => Report::DONE,
            Err(error) => Report::fail(0, error.to_string()),
        })
    }
}

impl Drop for SharedChild {
    fn drop(&mut self) {
        drop(self.questions.take());
        let _ = self.child.wait();
    }
}

export_component!(transform: SharedChildFactory);
