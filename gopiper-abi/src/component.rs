//! The author's traits: a factory, and the component that it creates for each worker.
use std::ops::Range;

use crate::{
    BatchCall, DeclaredAttributes, Error, HandleFlags, HandledCallback, Message, Need, Outcome,
    Parallel, Postponed, Produced,
};

/// A transform or a sink at work: one for each worker, on a thread of its own.
///
/// Call the callback once for each message; [`HandledCallback`] says what happens otherwise, and
/// how to report later. Do not return before you have finished with the message, unless you
/// [`keep`](HandledCallback::keep) or [`defer`](HandledCallback::defer) it.
///
/// ```
/// use gopiper_abi::{Component, HandledCallback, Message};
///
/// struct Upper;
///
/// impl Component for Upper {
///     fn handle(&mut self, mut message: Message, handled: HandledCallback) {
///         message.set_data(message.data().to_ascii_uppercase());
///         handled.done(message);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a transform nor a sink",
    label = "neither `Component` nor `BatchComponent` is implemented for it",
    note = "if it is a factory, implement `Factory` for it; a `Source` always needs one, and is exported as `source:`"
)]
pub trait Component: Send + 'static {
    /// Called once, on the worker's thread, before everything else.
    ///
    /// # Errors
    /// The pipeline does not start.
    fn start(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Processes a message and reports the result. A panic fails this message only; the component
    /// is then replaced.
    fn handle(&mut self, message: Message, handled: HandledCallback<'_>);

    /// The moment asked for by [`Host::wake_at`](crate::Host::wake_at) has come (or
    /// [`Host::wake`](crate::Host::wake) was called); `now` is
    /// [`Host::monotonic`](crate::Host::monotonic).
    ///
    /// # Errors
    /// The pipeline stops, and names this component. A [temporary](Error::temporary) error is only
    /// logged if the component has asked for another moment.
    fn timer(&mut self, now: i64) -> Result<(), Error> {
        let _ = now;
        Ok(())
    }

    /// No more messages will come: send kept messages, and report deferred ones, before `deadline`
    /// on [`Host::monotonic`](crate::Host::monotonic). Messages that are kept or deferred after
    /// this have failed.
    ///
    /// # Errors
    /// The pipeline ends as failed, and names this component.
    fn end(&mut self, deadline: i64) -> Result<(), Error> {
        let _ = deadline;
        Ok(())
    }
}

/// A transform or a sink that handles a whole batch at once (such as a sink that writes neighbours
/// together). Every [`Component`] is one: implement either.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a transform nor a sink",
    label = "neither `Component` nor `BatchComponent` is implemented for it",
    note = "if it is a factory, implement `Factory` for it; a `Source` always needs one, and is exported as `source:`"
)]
pub trait BatchComponent: Send + 'static {
    /// As [`Component::start`].
    ///
    /// # Errors
    /// The pipeline does not start.
    fn start(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Processes the messages of a batch. A panic outside of [`BatchCall::each`] fails all of them,
    /// because it is unknown how far it got.
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags;

    /// As [`Component::timer`].
    ///
    /// # Errors
    /// The pipeline stops, and names this component.
    fn timer(&mut self, now: i64) -> Result<(), Error> {
        let _ = now;
        Ok(())
    }

    /// As [`Component::end`].
    ///
    /// # Errors
    /// The pipeline ends as failed, and names this component.
    fn end(&mut self, deadline: i64) -> Result<(), Error> {
        let _ = deadline;
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<C: Component> BatchComponent for C {
    fn start(&mut self) -> Result<(), Error> {
        Component::start(self)
    }

    #[inline]
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        call.each(|message, handled| self.handle(message, handled))
    }

    fn timer(&mut self, now: i64) -> Result<(), Error> {
        Component::timer(self, now)
    }

    fn end(&mut self, deadline: i64) -> Result<(), Error> {
        Component::end(self, deadline)
    }
}

/// A source at work, on a thread of its own.
///
/// ```
/// use gopiper_abi::{Error, Message, Postponed, Produced, Source};
///
/// struct Countdown { left: u64, postponed: Postponed }
///
/// impl Source for Countdown {
///     fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
///         if self.left == 0 {
///             return Ok(Produced::FINISHED);
///         }
///         self.postponed.send(Message::new(self.left.to_string()))?;
///         self.left -= 1;
///         Ok(Produced::MORE)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source",
    label = "`Source` is not implemented for it",
    note = "if it is a `Component`, export it as `transform:` or `sink:`, and test it with `Harness::transform` or `Harness::sink`"
)]
pub trait Source: Send + 'static {
    /// Called once, on the worker's thread, before everything else.
    ///
    /// # Errors
    /// The pipeline does not start.
    fn start(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Sends the available messages through [`Postponed`], about `credit` of them at most: that
    /// many will not block. A source with threads of its own sends from them, and returns
    /// [`Produced::WAITING`] here until they have ended.
    ///
    /// # Errors
    /// The pipeline drains, ends as failed, and names this component.
    fn produce(&mut self, credit: usize) -> Result<Produced, Error>;

    /// Messages `indices` of the batch that was sent under `token` have ended. Called once for each
    /// message that was sent with a token, on the worker's thread, in no particular order; also
    /// after the source has finished. The outcome of messages that remain when the pipeline ends is
    /// never reported: treat it as [`Outcome::RETURNED`].
    fn settled(&mut self, token: u64, indices: Range<u32>, outcome: Outcome) {
        let _ = (token, indices, outcome);
    }

    /// The pipeline stops, or the source has finished: [`Source::produce`] is not called any more,
    /// [`Source::settled`] may be.
    ///
    /// # Errors
    /// The pipeline ends as failed, and names this component.
    fn end(&mut self, deadline: i64) -> Result<(), Error> {
        let _ = deadline;
        Ok(())
    }
}

/// A component that consists of its attributes only is its own factory: each worker gets a copy. A
/// component that has something to open, to check or to declare has a [`Factory`] of its own.
///
/// ```no_run
/// use gopiper_abi::{Component, HandledCallback, Message, attributes, export_component};
///
/// attributes! {
///     /// Says in an attribute where messages were seen.
///     pub struct Stamp {
///         /// The place.
///         pub place: String,
///     }
/// }
///
/// impl Component for Stamp {
///     fn handle(&mut self, mut message: Message, handled: HandledCallback) {
///         message.set_attribute("seen", self.place.as_str());
///         handled.done(message);
///     }
/// }
///
/// export_component!(transform: Stamp);
/// # fn main() {}
/// ```
impl<C: BatchComponent + DeclaredAttributes + Clone> Factory for C {
    type Component = C;
    type Attributes = C;

    fn new(attributes: C) -> Result<Self, Error> {
        Ok(attributes)
    }

    fn create(&self, _postponed: Postponed) -> Result<C, Error> {
        Ok(self.clone())
    }
}

/// Creates a component for each worker.
///
/// It is created from the attributes in the pipeline's file, which it declares once: see
/// [`attributes!`](crate::attributes).
pub trait Factory: Sized + Send + 'static {
    /// The type that it creates: a [`Component`] (or a [`BatchComponent`]) for a transform or a
    /// sink, a [`Source`] for a source.
    type Component: Send + 'static;
    /// The attributes with their documentation, declared with [`attributes!`](crate::attributes).
    /// They determine the checks, the errors, and the output of `gopiper inspect --load`.
    /// [`NoAttributes`](crate::NoAttributes) for none.
    type Attributes: DeclaredAttributes;

    /// Takes the attributes, and refuses values that do not fit together. Open nothing here. There
    /// is no host yet: log lines are lost.
    ///
    /// # Errors
    /// The pipeline does not start; [`Error::attribute`] names the wrong one.
    fn new(attributes: Self::Attributes) -> Result<Self, Error>;

    /// Whether it could work, without side effects: called once before the pipeline starts. As in
    /// [`Factory::new`], there is no host yet.
    ///
    /// # Errors
    /// Why it could not work.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Creates the component of one worker. `postponed` sends messages of its own, and gives access
    /// to the host.
    ///
    /// # Errors
    /// The pipeline does not start.
    fn create(&self, postponed: Postponed) -> Result<Self::Component, Error>;

    /// How many workers it would like; the operator's `pool_size` overrides it.
    fn pool_size(&self) -> usize {
        1
    }

    /// How many messages may wait for it; the operator's `channel_size` overrides it.
    fn channel_size(&self) -> usize {
        8192
    }

    /// How many waiting messages a call gathers at most. With 0, a call brings one batch as it was
    /// sent, usually of up to 512 messages; a batch is never cut. A component that commits what a
    /// call brings (by a sync, a transaction, a request) asks for more: then a call brings
    /// everything that has arrived while the component was busy, up to this number and half of the
    /// bytes of its channel. No message waits for others. The channel has room for twice as many
    /// messages, unless the operator sets `channel_size`.
    fn gathers(&self) -> usize {
        0
    }

    /// How many workers it supports: [`Parallel::SINGLE`] if its state or its output must be in one
    /// place.
    fn parallel(&self) -> Parallel {
        Parallel::ANY
    }

    /// The things that it cannot work without: a folder in the state directory, or a resource that
    /// only one component of a process can have. A pipeline that lacks one, or two that need the
    /// same, are refused before anything starts.
    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }

    /// Whether nothing is lost when the program is killed, or the machine loses power: a source
    /// sends unsettled messages again the next time; a sink has stored the messages that it has
    /// reported as done. Transforms are not asked. `gopiper check` shows the operator the resulting
    /// promise.
    ///
    /// # Errors
    /// Messages may be lost: names the operator's setting that causes it (`sync = 'never'`), or is
    /// empty if it is always the case.
    fn durability(&self) -> Result<(), String> {
        Err(String::new())
    }

    /// Whether the component does its part so that each message is written exactly once, even if
    /// the program is killed:
    ///
    /// - A source gives each message an identity ([`Positions::identified`](crate::Positions)), the
    ///   same each time that it sends it, and says from where on it may send messages again
    ///   ([`Host::set_settled`](crate::Host::set_settled)).
    /// - A sink keeps the identities of what it has written, and writes each of them once.
    /// - A transform need not say anything, unless it makes messages from several others: those
    ///   have no identity.
    ///
    /// `gopiper check` shows the operator the resulting promise.
    ///
    /// # Errors
    /// It does not: names the operator's setting that causes it (`exactly_once = false`), or the
    /// reason, or is empty.
    fn exactly_once(&self) -> Result<(), String> {
        Err(String::new())
    }

    /// Whether a source would read the file at this path, now or later. An output that is also an
    /// input ([`Need::output`]) is refused before anything starts.
    fn reads(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// Warnings for the operator before the start. `gopiper check` shows them.
    fn warnings(&self) -> Vec<Error> {
        Vec::new()
    }

    /// Called once, after the last worker has gone.
    fn destroy(&mut self) {}
}
