//! Every kind of misbehaviour, for tests. The text of a message is its instruction; faults that
//! are not about a message are attributes.
mod breaks;
mod ends;

use std::{mem, path::PathBuf, thread, time::Duration};

use gopiper_abi::{
    BatchCall, BatchComponent, Deferred, Error, Factory, HandleFlags, HandledCallback, Kept,
    Message, Postponed, Report, attributes, export_component,
};

use breaks::Breaks;

attributes! {
    /// Misbehaves. The text of a message is its instruction; see the source.
    #[schemars(transform = breaks::schema)]
    pub struct Attributes {
        /// The place where it panics, or fails.
        #[serde(default)]
        pub at: Option<Place>,
        /// Whether it fails there with an error instead of a panic.
        #[serde(default)]
        pub with_error: bool,
        /// A file: an error is temporary, and passes when it is there; a late report waits for it.
        #[serde(default)]
        pub awaits: Option<PathBuf>,
        /// Only the first word of a message is its instruction, and its data stays as
        /// it is.
        #[serde(default)]
        pub first_word: bool,
        /// Whether it ignores signals from when it is created.
        #[serde(default)]
        pub ignores_signals: bool,
        /// The text that it logs when it is created, and of its errors and panics.
        #[serde(default)]
        pub text: String,
        /// An attribute whose wrong values `gopiper verify` expects to be refused.
        #[schemars(skip)]
        pub verify_unknown: Option<i64>,
    }
}

attributes! {
    /// A place to misbehave in.
    #[derive(Copy)]
    pub enum Place {
        /// When the factory is made.
        New,
        /// When it is checked.
        Check,
        /// When a worker's component is made.
        Create,
        /// When it starts.
        Start,
        /// At the timer, which it asks for at each message.
        Timer,
        /// At the end of the input.
        End,
        /// When the component is dropped.
        Drop,
        /// When the factory learns that all workers have gone.
        Destroy,
    }
}

/// Makes [`Faults`].
pub struct FaultsFactory(Attributes);

impl Attributes {
    fn reach(&self, place: Place) -> Result<(), Error> {
        match self.at {
            Some(at) if at == place && self.with_error => {
                let error = Error::new(format!("fails at {at:?}{}", self.text));
                match &self.awaits {
                    None => Err(error),
                    Some(file) if file.exists() => Ok(()),
                    Some(_) => Err(error.temporary()),
                }
            }
            Some(at) if at == place => panic!("at {at:?}"),
            _ => Ok(()),
        }
    }
}

impl Factory for FaultsFactory {
    type Component = Faults;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        attributes.reach(Place::New)?;
        breaks::at_new(&attributes.text, attributes.verify_unknown)?;
        Ok(FaultsFactory(attributes))
    }

    fn check(&self) -> Result<(), Error> {
        self.0.reach(Place::Check)
    }

    fn create(&self, postponed: Postponed) -> Result<Faults, Error> {
        self.0.reach(Place::Create)?;
        breaks::at_create()?;
        if self.0.ignores_signals {
            ends::ignore_signals();
        }
        log::info!("made a component");
        if !self.0.text.is_empty() {
            log::warn!("{}", self.0.text);
        }
        let attributes = self.0.clone();
        Ok(Faults {
            attributes,
            postponed,
            stashed: Vec::new(),
            kept: Vec::new(),
            deferred: Vec::new(),
            breaks: Breaks::default(),
        })
    }

    fn channel_size(&self) -> usize {
        if breaks::is("life::pool-size") { 0 } else { 8192 }
    }

    fn destroy(&mut self) {
        let _ = self.0.reach(Place::Destroy);
    }
}

/// The component of one worker.
pub struct Faults {
    attributes: Attributes,
    postponed: Postponed,
    stashed: Vec<Message>,
    kept: Vec<Kept>,
    deferred: Vec<(Deferred, Message)>,
    breaks: Breaks,
}

impl Faults {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        let left = self.breaks.handle(message, handled, &self.postponed);
        let Some((mut message, handled)) = left else { return };
        if self.attributes.at == Some(Place::Timer) {
            self.postponed.host().wake();
        }
        let first_word = self.attributes.first_word;
        let mut what = String::from_utf8_lossy(message.data()).into_owned();
        if first_word {
            what.truncate(what.find(' ').unwrap_or(what.len()));
        }
        if what != "done" && !first_word {
            message.set_data("changed");
            message.set_attribute("changed", true);
        }
        match what.as_str() {
            "fail" => handled.report(message, Report::fail(4, "as told")),
            "drop" => handled.discard(message),
            retry if retry.starts_with("retry ") => {
                let times = retry[6..].parse().unwrap_or(u16::MAX);
                if message.attempts() < times {
                    handled.report(message, Report::retry(1, "not yet"));
                } else {
                    message.set_data(format!("{retry} done"));
                    handled.done(message);
                }
            }
            "again" if message.attempts() < 2 => {
                handled.report(message, Report::retry(1, "not yet"));
            }
            "retry" => handled.report(message, Report::retry(1, "as told")),
            "reserved" => handled.report(message, Report::new(50, "a reserved status")),
            "negative" => handled.report(message, Report::new(-7, "a negative status")),
            "continue" => handled.report(message, Report::new(1, "kept without keeping")),
            "panic" => panic!("as told"),
            "fail with the text" => {
                handled.report(message, Report::fail(6, self.attributes.text.clone()));
            }
            "exit" => std::process::exit(0),
            "abort" => std::process::abort(),
            "fault" => ends::fault(),
            "overflow" => {
                std::hint::black_box(deeper(1));
            }
            "panic with the text" => panic!("{}", self.attributes.text),
            "panic after done" => {
                handled.done(message);
                panic!("as told")
            }
            "panic with a fierce payload" => std::panic::panic_any(Fierce),
            "silent" => {}
            "forget" => {
                let _ = mem::ManuallyDrop::new(handled);
                mem::forget(message);
            }
            "stash" => self.stashed.push(message),
            "send the stashed" => {
                for stashed in self.stashed.drain(..) {
                    let _ = self.postponed.send(stashed);
                }
                handled.done(message);
            }
            "keep" => self.kept.push(handled.keep(message)),
            "keep and drop" => drop(handled.keep(message)),
            "send the kept" => {
                for kept in self.kept.drain(..) {
                    let (kept, settles) = kept.split();
                    let _ = self.postponed.send_from(settles, [kept.duplicate(), kept]);
                }
                handled.done(message);
            }
            "twice" => {
                let (message, settles) = handled.keep(message).split();
                let _ = self.postponed.send_from(settles, [message.duplicate(), message]);
            }
            "defer until the end" => self.deferred.push((handled.defer(), message)),
            "defer" => handled.defer().done(message),
            "defer and drop" => drop(handled.defer()),
            "defer and panic" => {
                let _deferred = handled.defer();
                panic!("as told")
            }
            "keep and panic" => {
                self.kept.push(handled.keep(message));
                panic!("as told")
            }
            "late" => {
                let deferred = handled.defer();
                let awaits = self.attributes.awaits.clone();
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(2));
                    while awaits.as_ref().is_some_and(|file| !file.exists()) {
                        thread::sleep(Duration::from_millis(2));
                    }
                    deferred.done(message);
                });
            }
            "late fail" => {
                let deferred = handled.defer();
                thread::spawn(move || deferred.report(message, Report::fail(5, "late")));
            }
            "hang" => loop {
                thread::park();
            },
            "stop" => {
                self.postponed.host().fail("told to stop");
                handled.done(message);
            }
            "finish" => {
                self.postponed.host().finish();
                handled.discard(message);
            }
            _ => handled.done(message),
        }
    }
}

impl BatchComponent for Faults {
    fn start(&mut self) -> Result<(), Error> {
        self.attributes.reach(Place::Start)
    }

    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        self.breaks.batch = call.messages().len();
        call.each(|message, handled| self.handle(message, handled))
    }

    fn timer(&mut self, _now: i64) -> Result<(), Error> {
        self.attributes.reach(Place::Timer)
    }

    fn end(&mut self, _deadline: i64) -> Result<(), Error> {
        for (deferred, message) in self.deferred.drain(..) {
            deferred.done(message);
        }
        self.breaks.at_end(&self.postponed)?;
        self.attributes.reach(Place::End)
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        let _ = self.attributes.reach(Place::Drop);
    }
}

/// A panic's payload whose drop panics again.
struct Fierce;

impl Drop for Fierce {
    fn drop(&mut self) {
        panic!("and again")
    }
}

export_component!(transform: FaultsFactory);

/// Needs more stack than there is.
fn deeper(depth: usize) -> usize {
    let room = std::hint::black_box([depth; 64]);
    if depth == 0 { 0 } else { deeper(depth + 1) + room[depth % 64] }
}
