//! What an author writes: a factory, and the component that it makes for each worker.
use std::ops::Range;

use crate::{
    BatchCall, DeclaredAttributes, Error, HandleFlags, HandledCallback, Message, Need, Outcome,
    Parallel, Postponed, Produced,
};

/// A transform or a sink at work: one for each worker, on a thread of its own.
///
/// The callback must be called once for each message; see [`HandledCallback`] for what happens when
/// it isn't, and for reports that come later. Don't return before you are done with the message,
/// unless you [`keep`](HandledCallback::keep) or [`defer`](HandledCallback::defer) it.
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

    /// Processes a message and says what came of it. A panic fails this message alone; the component
    /// is then made anew.
    fn handle(&mut self, message: Message, handled: HandledCallback<'_>);

    /// The moment asked for by [`Host::wake_at`](crate::Host::wake_at) has come (or
    /// [`Host::wake`](crate::Host::wake) was called); `now` is [`Host::monotonic`](crate::Host::monotonic).
    ///
    /// # Errors
    /// The pipeline stops, and names this component. But a [temporary](Error::temporary) error is only logged, if another
    /// moment was asked for.
    fn timer(&mut self, now: i64) -> Result<(), Error> {
        let _ = now;
        Ok(())
    }

    /// No message comes any more: send what is kept, and report what is deferred, until `deadline` on
    /// [`Host::monotonic`](crate::Host::monotonic). What is kept or deferred after this has failed.
    ///
    /// # Errors
    /// The pipeline ends as failed, and names this component.
    fn end(&mut self, deadline: i64) -> Result<(), Error> {
        let _ = deadline;
        Ok(())
    }
}

/// A transform or a sink that gains by seeing the messages that came together (a sink that writes
/// neighbours as one). Every [`Component`] is one: implement either.
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

    /// Processes the messages that came together. A panic outside of [`BatchCall::each`] fails all of
    /// them: nobody knows how far it got.
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
    message = "`{Self}` is no source",
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

    /// Sends what there is through [`Postponed`], about `credit` messages at most: so many will not
    /// block. A source with threads of its own sends from them, and returns
    /// [`Produced::WAITING`] here until they have come to their end.
    ///
    /// # Errors
    /// The pipeline drains, ends as failed, and names this component.
    fn produce(&mut self, credit: usize) -> Result<Produced, Error>;

    /// Messages `indices` of the batch that was sent under `token` have ended. Once for each
    /// message that was sent with a token, on the worker's thread, in no particular order; also
    /// after the source has finished. What the pipeline left behind when it ended is never told:
    /// take it for [`Outcome::RETURNED`].
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

/// A component that is nothing but its attributes is its own factory: each worker gets a copy. One that has something
/// to open, to check or to say of itself has a [`Factory`] of its own.
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

/// What makes a component for each worker.
///
/// It is made from the attributes that stand in the pipeline's file, which it declares once: see
/// [`attributes!`](crate::attributes).
pub trait Factory: Sized + Send + 'static {
    /// What it makes: a [`Component`] (or a [`BatchComponent`]) for a transform or a sink, a
    /// [`Source`] for a source.
    type Component: Send + 'static;
    /// What can be set, with its documentation, declared with [`attributes!`](crate::attributes).
    /// From this come the checks and their errors, and what `gopiper inspect --load` shows.
    /// [`NoAttributes`](crate::NoAttributes) for nothing.
    type Attributes: DeclaredAttributes;

    /// Takes the attributes, and refuses what does not fit together. Nothing is opened yet, and there
    /// is no host yet: what is logged here is lost.
    ///
    /// # Errors
    /// The pipeline does not start; [`Error::attribute`] names the one that is wrong.
    fn new(attributes: Self::Attributes) -> Result<Self, Error>;

    /// Whether it could work, without side effects: called once before the pipeline starts. As in
    /// [`Factory::new`], there is no host yet.
    ///
    /// # Errors
    /// What stands in the way.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Makes the component of one worker. `postponed` is how it sends messages of its own making,
    /// and reaches the host.
    ///
    /// # Errors
    /// The pipeline does not start.
    fn create(&self, postponed: Postponed) -> Result<Self::Component, Error>;

    /// How many workers it would like; the operator's `pool_size` wins.
    fn pool_size(&self) -> usize {
        1
    }

    /// How many messages may wait for it; the operator's `channel_size` wins.
    fn channel_size(&self) -> usize {
        8192
    }

    /// How many workers it bears: [`Parallel::SINGLE`] if what it keeps or writes must be in one
    /// place.
    fn parallel(&self) -> Parallel {
        Parallel::ANY
    }

    /// What it can't work without: a folder in the state directory, or what only one component of a
    /// process can have. So a pipeline that lacks it, or two that need the same, are refused before
    /// anything starts.
    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }

    /// Whether nothing is lost when the program is killed, or the machine loses its power: a source
    /// gives what was not settled again the next time, a sink has what it has reported as done in a
    /// safe place. Nothing is asked of transforms. `gopiper check` tells the operator what comes of it.
    ///
    /// # Errors
    /// It may be lost: what the operator has set that makes it so (`sync = 'never'`), or nothing if it
    /// is so in any case.
    fn durability(&self) -> Result<(), String> {
        Err(String::new())
    }

    /// Whether a source would read the file of this path, now or later. An output that is among the inputs
    /// ([`Need::output`]) is refused before anything starts.
    fn reads(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// What the operator should know before it starts, though it can work. `gopiper check` shows it.
    fn warnings(&self) -> Vec<Error> {
        Vec::new()
    }

    /// Called once, after the last worker has gone.
    fn destroy(&mut self) {}
}
