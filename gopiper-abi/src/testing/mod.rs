//! A host of one component, for authors' tests: the real entries, nothing loaded.
mod bench;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::SeqCst},
};

pub use self::bench::Settled;
use self::bench::{Bench, BenchHost, keep};
use crate::{
    Batch, Error, Factory, HandleFlags, Kind, Level, Map, Message, Outcome, Produced, Report,
    Value,
    export::{AsSink, AsSource, AsTransform, Exported, HasKind, Role},
    raw::{
        DEFAULT_CAPACITY, Fate, Handling, RawError,
        host::{
            client::{ComponentHandle, FactoryHandle},
            services::host,
        },
        module,
    },
};

/// Runs one component through its real entries, on this thread.
///
/// ```
/// # use gopiper_abi::*;
/// # struct Upper;
/// # impl Component for Upper {
/// #     fn handle(&mut self, mut m: Message, h: HandledCallback) {
/// #         m.set_data(m.data().to_ascii_uppercase());
/// #         h.done(m)
/// #     }
/// # }
/// # struct UpperFactory;
/// # impl Factory for UpperFactory {
/// #     type Component = Upper;
/// #     type Attributes = NoAttributes;
/// #     fn new(_: NoAttributes) -> Result<Self, Error> { Ok(UpperFactory) }
/// #     fn create(&self, _: Postponed) -> Result<Upper, Error> { Ok(Upper) }
/// # }
/// use gopiper_abi::testing::Harness;
///
/// let mut upper = Harness::transform::<UpperFactory>([]).unwrap();
/// let handled = upper.handle(["one", "two"]);
/// assert_eq!(handled[0].status, 0);
/// assert_eq!(upper.sent(), [&b"ONE"[..], b"TWO"]);
/// ```
pub struct Harness {
    // Before its factory: dropped first.
    component: ComponentHandle,
    factory: FactoryHandle,
    bench: Arc<Bench>,
    /// Until when a source waits, as it said itself.
    waits_until: Option<i64>,
}

/// What a component said of a message that was given to it.
#[derive(Clone, PartialEq, Eq)]
pub struct HandledMessage {
    /// The status of its report; 1 if it keeps the message.
    pub status: i32,
    /// The description of its report.
    pub description: String,
    /// The bytes of the message as it left the component: what goes on, to a retry, or to the dead
    /// letters.
    pub data: Vec<u8>,
}

impl Harness {
    /// A transform with these attributes.
    ///
    /// # Errors
    /// What the component says of them, or of starting.
    pub fn transform<F: Factory>(
        attributes: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Self, Error>
    where
        AsTransform: Role<F>,
    {
        Self::new::<F, AsTransform>(attributes, None)
    }

    /// A sink with these attributes.
    ///
    /// # Errors
    /// What the component says of them, or of starting.
    pub fn sink<F: Factory>(
        attributes: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Self, Error>
    where
        AsSink: Role<F>,
    {
        Self::new::<F, AsSink>(attributes, None)
    }

    /// A source with these attributes.
    ///
    /// # Errors
    /// What the component says of them, or of starting.
    pub fn source<F: Factory>(
        attributes: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Self, Error>
    where
        AsSource: Role<F>,
    {
        Self::new::<F, AsSource>(attributes, None)
    }

    /// A source with these attributes that keeps what it must remember in this directory. The others
    /// have none.
    ///
    /// # Errors
    /// What the component says of the attributes, or of starting.
    pub fn source_in<F: Factory>(
        state_directory: impl Into<PathBuf>,
        attributes: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Self, Error>
    where
        AsSource: Role<F>,
    {
        Self::new::<F, AsSource>(attributes, Some(state_directory.into()))
    }

    fn new<F: Factory, R: Role<F> + HasKind + 'static>(
        attributes: impl IntoIterator<Item = (&'static str, Value)>,
        state_directory: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let first = |errors: Vec<RawError>| said(errors.into_iter().next().expect("an error"));
        let module = keep(module::<Exported<F, R>>("component", "0.0.0"));
        let mut factory = FactoryHandle::new(module).map_err(said)?;
        factory.configure(Map::from_iter(attributes)).map_err(first)?;
        factory.check().map_err(first)?;
        let bench = Arc::new(Bench { state_directory, ..Bench::default() });
        let component = started(&mut factory, &bench)?;
        Ok(Harness { component, factory, bench, waits_until: None })
    }

    /// Gives it messages in one batch, and returns what it said of each, after all that it deferred
    /// is reported. What is Done is found in [`Harness::sent`]. After a panic the rest is given to a
    /// component made anew, as in a pipeline.
    ///
    /// # Panics
    /// When a deferred message is not reported within ten seconds, or a component can't be made anew.
    pub fn handle<M: IntoMessage>(
        &mut self,
        messages: impl IntoIterator<Item = M>,
    ) -> Vec<HandledMessage> {
        let mut batch = Batch::new(DEFAULT_CAPACITY);
        for message in messages {
            if let Err(message) = batch.push(message.into_message()) {
                batch.grow();
                batch.push(message).expect("a batch that grew has room");
            }
        }
        let token = self.bench.lock().calls;
        self.bench.lock().calls += 1;
        batch.open_delivery(token, self.bench.clone());
        let handling = Handling::new(batch);
        while !handling.is_through() {
            if self.component.handle(&handling).contains(HandleFlags::PANICKED) {
                let anew = started(&mut self.factory, &self.bench);
                self.component = anew.expect("a component made anew after a panic");
            }
        }
        let mut batch = match handling.finish() {
            Ok(batch) => batch,
            Err(deferred) => {
                deferred.await_deferred(self.bench.clone());
                self.bench.wait_for_completed()
            }
        };
        let handled = batch.messages().iter().map(|message| HandledMessage {
            status: message.status(),
            description: message.description().to_owned(),
            data: message.data().to_vec(),
        });
        let handled: Vec<HandledMessage> = handled.collect();
        batch.retain(|message| match message.status() {
            0 => Fate::Keep,
            status => Fate::Settle(outcome_of(status)),
        });
        self.bench.lock().sent.push_back(batch);
        handled
    }

    /// Asks a source for messages; they are found in [`Harness::sent`].
    ///
    /// # Errors
    /// What the source says.
    pub fn produce(&mut self, credit: usize) -> Result<Produced, Error> {
        self.waits_until = None;
        let produced = self.component.produce(credit).map_err(said)?;
        self.waits_until = (produced.state == Produced::WAITING.state).then_some(produced.until);
        Ok(produced)
    }

    /// Everything that left the component since the last call, in order: the bytes of each message.
    /// It is settled as Delivered; what a source sent with a report on it, as that says.
    pub fn sent(&mut self) -> Vec<Vec<u8>> {
        self.sent_as(Outcome::DELIVERED)
    }

    /// As [`Harness::sent`], but this becomes of it: so a source hears of failures too.
    ///
    /// ```
    /// # use gopiper_abi::{Outcome, testing::Harness};
    /// # fn example(mut source: Harness) -> Result<(), gopiper_abi::Error> {
    /// source.produce(10)?;
    /// assert_eq!(source.sent_as(Outcome::RETURNED), [b"one"]);
    /// source.tell_settled();
    /// # Ok(())
    /// # }
    /// ```
    pub fn sent_as(&mut self, outcome: Outcome) -> Vec<Vec<u8>> {
        self.take_sent(outcome).iter().map(|message| message.data().to_vec()).collect()
    }

    /// As [`Harness::sent`], the messages themselves.
    pub fn sent_messages(&mut self) -> Vec<Message> {
        self.take_sent(Outcome::DELIVERED)
    }

    fn take_sent(&mut self, outcome: Outcome) -> Vec<Message> {
        let batches = std::mem::take(&mut self.bench.lock().sent);
        let mut messages = Vec::new();
        for mut batch in batches {
            messages.extend(batch.messages().iter().map(with_its_report));
            batch.retain(|message| match message.status() {
                0 => Fate::Settle(outcome),
                status => Fate::Settle(outcome_of(status)),
            });
        }
        messages
    }

    /// What was settled since the last call: of messages sent with a token, and of messages given to
    /// [`Harness::handle`].
    pub fn settled(&mut self) -> Vec<Settled> {
        std::mem::take(&mut self.bench.lock().settled)
    }

    /// Tells a source what was settled since the last call.
    pub fn tell_settled(&mut self) {
        for settled in self.settled() {
            self.tell(&settled);
        }
    }

    /// Tells a source of one outcome: of those of [`Harness::settled`] as they are, or as the test would have them.
    ///
    /// ```
    /// # use gopiper_abi::{Outcome, testing::{Harness, Settled}};
    /// # fn example(mut source: Harness) -> Result<(), gopiper_abi::Error> {
    /// source.produce(10)?;
    /// assert_eq!(source.sent(), [b"one", b"two"]);
    /// for settled in source.settled() {
    ///     source.tell(&Settled { first: 1, count: 1, outcome: Outcome::RETURNED, ..settled });
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn tell(&mut self, settled: &Settled) {
        let Settled { token, first, count, outcome } = *settled;
        self.component.settled(token, first, count, outcome);
    }

    /// Moves the clock on, and calls `timer` if the component asked for a moment that has come by.
    ///
    /// A source is asked to produce instead, if the moment has come that it waited for (it returned
    /// [`Produced::waiting_until`], or called [`Host::wake`](crate::Host::wake)), and again for as
    /// long as it has something now, as in a pipeline; after 512 messages that nobody has looked at,
    /// the channel behind it counts as full. The test may call [`Harness::produce`] at any time
    /// besides.
    ///
    /// # Errors
    /// What the component says.
    pub fn advance(&mut self, nanoseconds: i64) -> Result<(), Error> {
        let now = self.bench.clock.fetch_add(nanoseconds, SeqCst) + nanoseconds;
        let asked = self.bench.wake_at.load(SeqCst) <= now;
        if asked {
            self.bench.wake_at.store(i64::MAX, SeqCst);
        }
        if self.factory.kind() != Kind::SOURCE {
            return if asked { self.component.timer(now).map_err(said) } else { Ok(()) };
        }
        if self.waits_until.is_none_or(|until| until > now && !asked) {
            return Ok(());
        }
        while let credit @ 1.. = self.bench.room() {
            let produced = self.produce(credit)?;
            if produced != Produced::MORE && self.waits_until.is_none_or(|until| until > now) {
                break;
            }
        }
        Ok(())
    }

    /// Tells it that no message comes any more; a source, that it is not asked any more.
    ///
    /// # Errors
    /// What the component says.
    pub fn end(&mut self) -> Result<(), Error> {
        self.component.end(i64::MAX).map_err(said)
    }

    /// Stops it, as a signal does.
    pub fn stop(&mut self) {
        self.bench.stopping.store(true, SeqCst);
        self.component.stopper().stop();
    }

    /// The lines that it logged since the last call.
    pub fn logged(&mut self) -> Vec<(Level, String)> {
        std::mem::take(&mut self.bench.lock().logged)
    }

    /// What a counter or a gauge of the component is now; 0 if it has registered none of that name.
    pub fn metric(&self, name: &str) -> u64 {
        let state = self.bench.lock();
        state.metrics.get(name).map_or(0, |metric| metric.value.load(SeqCst))
    }

    /// How many of the messages that it kept it has dropped without sending anything for them: they have failed.
    pub fn unsent(&self) -> u64 {
        self.bench.lock().unsent
    }

    /// With what it ended the pipeline, if it did: `None` in `Some` for quietly.
    pub fn stopped(&self) -> Option<Option<String>> {
        self.bench.lock().stopped.clone()
    }

    /// The factory, to look at.
    pub fn factory(&mut self) -> &mut FactoryHandle {
        &mut self.factory
    }
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("kind", &self.factory.kind()).finish_non_exhaustive()
    }
}

impl fmt::Debug for HandledMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandledMessage")
            .field("status", &self.status)
            .field("description", &self.description)
            .field("data", &format_args!("\"{}\"", self.data.escape_ascii()))
            .finish()
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        // What nobody looked at refers to the bench by its deliveries, and the bench to it.
        let unseen = std::mem::take(&mut self.bench.lock().sent);
        drop(unseen);
    }
}

fn said(error: RawError) -> Error {
    let said = match error.attribute.as_str() {
        "" => Error::new(error.message),
        path => Error::attribute(path, error.message.as_str()),
    };
    if error.temporary { said.temporary() } else { said }
}

fn started(factory: &mut FactoryHandle, bench: &Arc<Bench>) -> Result<ComponentHandle, Error> {
    let mut component = factory.create(host(Arc::new(BenchHost(bench.clone())))).map_err(said)?;
    component.start().map_err(said)?;
    Ok(component)
}

/// What becomes of a message that does not go on.
fn outcome_of(status: i32) -> Outcome {
    if status >= 300 { Outcome::DROPPED } else { Outcome::FAILED }
}

fn with_its_report(message: &Message) -> Message {
    let copy = message.duplicate();
    match message.status() {
        0 => copy,
        status => copy.with_report(Report::new(status, message.description().to_owned())),
    }
}

/// What can be given to a component in a test.
pub trait IntoMessage {
    /// The message.
    fn into_message(self) -> Message;
}

impl IntoMessage for Message {
    fn into_message(self) -> Message {
        self
    }
}

impl IntoMessage for &str {
    fn into_message(self) -> Message {
        Message::new(self.to_owned())
    }
}

impl IntoMessage for &[u8] {
    fn into_message(self) -> Message {
        Message::new(self.to_vec())
    }
}
