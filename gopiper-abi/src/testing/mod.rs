//! A host of one component for authors' tests: it calls the real entries without loading anything.
//! It has no scheduler: channels, retries, and several workers are tested with a whole pipeline.
mod bench;
mod message;
mod told;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::SeqCst},
};

pub use self::{
    bench::Settled,
    message::{HandledMessage, IntoMessage},
};
use self::{
    bench::{Bench, BenchHost, keep},
    message::{outcome_of, with_its_report},
};
use crate::{
    Batch, Error, Factory, HandleFlags, Identity, Kind, Map, Message, Outcome, Positions, Produced,
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
    /// The moment until which a source waits.
    waits_until: Option<i64>,
    /// The number in the identity of the next message that it gets.
    next: u64,
}

impl Harness {
    /// A transform with these attributes.
    ///
    /// # Errors
    /// The component refuses them, or does not start.
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
    /// The component refuses them, or does not start.
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
    /// The component refuses them, or does not start.
    pub fn source<F: Factory>(
        attributes: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Self, Error>
    where
        AsSource: Role<F>,
    {
        Self::new::<F, AsSource>(attributes, None)
    }

    /// A source with these attributes and this state directory. The other constructors have none.
    ///
    /// # Errors
    /// The component refuses the attributes, or does not start.
    pub fn source_in<F: Factory>(
        state_directory: impl Into<PathBuf>,
        attributes: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Self, Error>
    where
        AsSource: Role<F>,
    {
        Self::new::<F, AsSource>(attributes, Some(state_directory.into()))
    }

    /// A sink with these attributes and this state directory.
    ///
    /// # Errors
    /// The component refuses the attributes, or does not start.
    pub fn sink_in<F: Factory>(
        state_directory: impl Into<PathBuf>,
        attributes: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Self, Error>
    where
        AsSink: Role<F>,
    {
        Self::new::<F, AsSink>(attributes, Some(state_directory.into()))
    }

    fn new<F: Factory, R: Role<F> + HasKind + 'static>(
        attributes: impl IntoIterator<Item = (&'static str, Value)>,
        state_directory: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let first = |errors: Vec<RawError>| Error(errors.into_iter().next().expect("an error"));
        let module = keep(module::<Exported<F, R>>("component", "0.0.0", None));
        let mut factory = FactoryHandle::new(module).map_err(Error)?;
        factory.configure(Map::from_iter(attributes)).map_err(first)?;
        factory.check().map_err(first)?;
        let bench = Arc::new(Bench { state_directory, ..Bench::default() });
        let component = started(&mut factory, &bench)?;
        Ok(Harness { component, factory, bench, waits_until: None, next: 1 })
    }

    /// Gives it messages in one batch, and returns its report on each, after all deferred messages
    /// are reported. [`Harness::sent`] returns those that are Done. After a panic, a new component
    /// gets the rest, as in a pipeline.
    ///
    /// # Panics
    /// A deferred message is not reported within ten seconds, or a component cannot be replaced.
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
        let numbers = Positions::counted("test", "message", self.next).identified("test");
        self.next += batch.len() as u64;
        batch.open_delivery_at(token, Some(Box::new(numbers)), self.bench.clone());
        let handling = Handling::new(batch);
        while !handling.is_through() {
            if self.component.handle(&handling).contains(HandleFlags::PANICKED) {
                let anew = started(&mut self.factory, &self.bench);
                self.component = anew.expect("a new component after a panic");
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

    /// The next message for [`Harness::handle`] has the identity `test:NUMBER`, and those after it
    /// the numbers that follow. So a test gives a message again, as a source does after a restart.
    /// The first message of a harness has the number 1.
    ///
    /// ```
    /// # use gopiper_abi::testing::Harness;
    /// # fn example(mut sink: Harness) {
    /// sink.handle(["one", "two"]);
    /// sink.number_from(2);
    /// sink.handle(["two", "three"]);
    /// # }
    /// ```
    pub fn number_from(&mut self, number: u64) {
        self.next = number;
    }

    /// Asks a source for messages; [`Harness::sent`] returns them.
    ///
    /// # Errors
    /// The error of the source.
    pub fn produce(&mut self, credit: usize) -> Result<Produced, Error> {
        self.waits_until = None;
        let produced = self.component.produce(credit).map_err(Error)?;
        self.waits_until = (produced.state == Produced::WAITING.state).then_some(produced.until);
        Ok(produced)
    }

    /// The bytes of each message that left the component since the last call, in order. They are
    /// settled as Delivered; a message that a source sent with a report, as the report says.
    pub fn sent(&mut self) -> Vec<Vec<u8>> {
        self.sent_as(Outcome::DELIVERED)
    }

    /// As [`Harness::sent`], but with this outcome: so a source learns of failures, too.
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

    /// As [`Harness::sent`], the data of each message with its identity, if it has one.
    pub fn sent_with_ids(&mut self) -> Vec<(Vec<u8>, Option<Identity>)> {
        let sent = self.take_sent_with_ids(Outcome::DELIVERED).into_iter();
        sent.map(|(message, id)| (message.data().to_vec(), id)).collect()
    }

    fn take_sent(&mut self, outcome: Outcome) -> Vec<Message> {
        self.take_sent_with_ids(outcome).into_iter().map(|(message, _)| message).collect()
    }

    fn take_sent_with_ids(&mut self, outcome: Outcome) -> Vec<(Message, Option<Identity>)> {
        let batches = std::mem::take(&mut self.bench.lock().sent);
        let mut messages = Vec::new();
        for mut batch in batches {
            messages.extend(batch.messages_mut().iter().map(|message| {
                let mut id = Identity::default();
                let is_known = message.write_id(&mut id);
                (with_its_report(message), is_known.then_some(id))
            }));
            batch.retain(|message| match message.status() {
                0 => Fate::Settle(outcome),
                status => Fate::Settle(outcome_of(status)),
            });
        }
        messages
    }

    /// The outcomes since the last call: of messages sent with a token, and of messages given to
    /// [`Harness::handle`].
    pub fn settled(&mut self) -> Vec<Settled> {
        std::mem::take(&mut self.bench.lock().settled)
    }

    /// Reports the outcomes since the last call to a source.
    pub fn tell_settled(&mut self) {
        for settled in self.settled() {
            self.tell(&settled);
        }
    }

    /// Reports one outcome to a source: one from [`Harness::settled`], unchanged or changed by the
    /// test.
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
    ///
    /// # Panics
    /// When `settled` does.
    pub fn tell(&mut self, settled: &Settled) {
        let Settled { token, first, count, outcome } = *settled;
        if let Err(error) = self.component.settled(token, first, count, outcome) {
            panic!("`settled` {}", error.message);
        }
    }

    /// Advances the clock, and calls `timer` if the component asked for a moment that has passed.
    ///
    /// A source is asked to produce instead, if the moment has come for which it waited (it
    /// returned [`Produced::waiting_until`], or called [`Host::wake`](crate::Host::wake)), and
    /// again for as long as it has messages, as in a pipeline. After 512 messages that the test has
    /// not fetched, the channel counts as full. The test may also call [`Harness::produce`] at any
    /// time.
    ///
    /// # Errors
    /// The error of the component.
    pub fn advance(&mut self, nanoseconds: i64) -> Result<(), Error> {
        let now = self.bench.clock.fetch_add(nanoseconds, SeqCst) + nanoseconds;
        let asked = self.bench.wake_at.load(SeqCst) <= now;
        if asked {
            self.bench.wake_at.store(i64::MAX, SeqCst);
        }
        if self.factory.kind() != Kind::SOURCE {
            return if asked { self.component.timer(now).map_err(Error) } else { Ok(()) };
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

    /// Ends the component: no more messages will come, or a source will not be asked any more.
    ///
    /// # Errors
    /// The error of the component.
    pub fn end(&mut self) -> Result<(), Error> {
        self.component.end(i64::MAX).map_err(Error)
    }

    /// Stops it, as a signal does.
    pub fn stop(&mut self) {
        self.bench.stopping.store(true, SeqCst);
        self.component.stopper().stop();
    }

    /// The factory.
    pub fn factory(&mut self) -> &mut FactoryHandle {
        &mut self.factory
    }
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("kind", &self.factory.kind()).finish_non_exhaustive()
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        // Messages that the test did not fetch refer to the bench by their deliveries, and the
        // bench to them.
        let unseen = std::mem::take(&mut self.bench.lock().sent);
        drop(unseen);
    }
}

fn started(factory: &mut FactoryHandle, bench: &Arc<Bench>) -> Result<ComponentHandle, Error> {
    let mut component = factory.create(host(Arc::new(BenchHost(bench.clone())))).map_err(Error)?;
    component.start().map_err(Error)?;
    Ok(component)
}
