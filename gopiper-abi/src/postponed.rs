//! The channel for messages that a component creates.
use std::fmt;

use crate::raw::{Batch, Deliveries, Host, Message, OnStop, Positions, SendStatus, Sending};

/// Up to this many messages get a batch of their number; more get one of the usual size.
const FEW: usize = 64;

/// Sends messages that a component creates: those that a source reads, or those that an aggregate
/// produces. Clones may go to any thread.
///
/// Sent inside `handle`, a message takes the place of the one being handled in the order, and
/// sending never waits. Sent from elsewhere, it waits while the next component's channel is full.
///
/// ```
/// use gopiper_abi::{Component, Deliveries, HandledCallback, Message, Postponed};
///
/// /// Joins two messages to one.
/// struct Pairs { first: Option<(Message, Deliveries)>, postponed: Postponed }
///
/// impl Component for Pairs {
///     fn handle(&mut self, message: Message, handled: HandledCallback) {
///         let (message, mut settles) = handled.keep(message).split();
///         match self.first.take() {
///             None => self.first = Some((message, settles)),
///             Some((first, earlier)) => {
///                 settles.add(earlier);
///                 let joined = [first.data(), message.data()].concat();
///                 // The pipeline may be closing: then the pair has failed, and its source
///                 // learns of it.
///                 let _ = self.postponed.send_from(settles, [Message::new(joined)]);
///             }
///         }
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Postponed {
    host: Host,
    on_stop: OnStop,
}

/// Messages that were not sent, and why.
#[derive(Debug)]
pub struct Unsent {
    /// [`SendStatus::FULL`] or [`SendStatus::CLOSED`].
    pub status: SendStatus,
    /// The messages.
    pub batch: Batch,
    /// The messages that they would have settled. If dropped, these have failed.
    pub deliveries: Deliveries,
}

impl Postponed {
    pub(crate) fn new(host: Host, on_stop: OnStop) -> Self {
        Postponed { host, on_stop }
    }

    /// The host's services: clock, log, metrics, memory, stop signal.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Calls `hook` when the pipeline stops, on any thread: to wake calls that block.
    pub fn on_stop(&self, hook: impl Fn() + Send + 'static) {
        self.on_stop.call(hook);
    }

    /// An empty batch, to fill and send.
    pub fn batch(&self) -> Batch {
        self.host.batch()
    }

    /// Sends one message. A source that has many fills a batch instead.
    ///
    /// # Errors
    /// The pipeline takes no more.
    pub fn send(&self, message: Message) -> Result<(), Unsent> {
        self.send_batch(self.batch_of([message]))
    }

    /// Sends one message if there is room for it.
    ///
    /// # Errors
    /// There is no room, or the pipeline takes no more.
    pub fn try_send(&self, message: Message) -> Result<(), Unsent> {
        self.hand_over(self.batch_of([message]), Sending { wait: false, ..Sending::default() })
    }

    /// Sends a batch.
    ///
    /// # Errors
    /// The pipeline takes no more.
    pub fn send_batch(&self, batch: Batch) -> Result<(), Unsent> {
        self.hand_over(batch, Sending::default())
    }

    /// Sends a batch with the positions of its messages: the log names the position if one fails.
    /// With a `token` the source receives the outcomes, as with [`Postponed::send_tracked`].
    ///
    /// # Errors
    /// The pipeline takes no more.
    pub fn send_located(
        &self,
        batch: Batch,
        token: Option<u64>,
        positions: Positions,
    ) -> Result<(), Unsent> {
        let positions = Some(Box::new(positions));
        self.hand_over(batch, Sending { token, positions, ..Sending::default() })
    }

    /// Sends a batch whose outcomes the source wants to receive: [`Source::settled`] gets `token`,
    /// with the places of the messages in the batch.
    ///
    /// # Errors
    /// The pipeline takes no more.
    ///
    /// [`Source::settled`]: crate::Source::settled
    pub fn send_tracked(&self, batch: Batch, token: u64) -> Result<(), Unsent> {
        self.hand_over(batch, Sending { token: Some(token), ..Sending::default() })
    }

    /// As [`Postponed::send_tracked`], if there is room.
    ///
    /// # Errors
    /// There is no room, or the pipeline takes no more.
    pub fn try_send_tracked(&self, batch: Batch, token: u64) -> Result<(), Unsent> {
        self.hand_over(batch, Sending { token: Some(token), wait: false, ..Sending::default() })
    }

    /// Sends messages made from kept ones. The kept ones are settled when all of `messages` are,
    /// with the worst of their outcomes. No messages at all settle them as [`Outcome::DROPPED`].
    ///
    /// # Errors
    /// The pipeline takes no more.
    ///
    /// [`Outcome::DROPPED`]: crate::Outcome::DROPPED
    pub fn send_from(
        &self,
        kept: impl Into<Deliveries>,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<(), Unsent> {
        self.send_batch_from(kept, self.batch_of(messages))
    }

    /// As [`Postponed::send_from`], for messages that are in a batch already.
    ///
    /// # Errors
    /// The pipeline takes no more.
    pub fn send_batch_from(&self, kept: impl Into<Deliveries>, batch: Batch) -> Result<(), Unsent> {
        let kept = kept.into();
        if batch.is_empty() {
            kept.settle(crate::Outcome::DROPPED);
            return Ok(());
        }
        self.hand_over(batch, Sending { deliveries: kept, ..Sending::default() })
    }

    /// The messages in one batch, as large as necessary: they settle their parents together.
    fn batch_of(&self, messages: impl IntoIterator<Item = Message>) -> Batch {
        let messages = messages.into_iter();
        let mut batch = match messages.size_hint() {
            // One of the usual size would take 32 KB of the next channel for a message or two.
            (least @ 1..=FEW, _) => Batch::new(least as u32),
            _ => self.host.batch(),
        };
        for message in messages {
            if let Err(message) = batch.push(message) {
                batch.grow();
                let pushed = batch.push(message);
                debug_assert!(pushed.is_ok(), "a batch that grew has room");
            }
        }
        batch
    }

    fn hand_over(&self, batch: Batch, how: Sending) -> Result<(), Unsent> {
        if batch.is_empty() {
            return Ok(());
        }
        let sent = self.host.send(batch, how);
        sent.map_err(|(status, batch, deliveries)| Unsent { status, batch, deliveries })
    }
}

impl fmt::Debug for Postponed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postponed")
    }
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.status {
            SendStatus::FULL => "the next component has no room for it now",
            _ => "the pipeline takes no more messages",
        })
    }
}

impl std::error::Error for Unsent {}
