//! The destination of messages that leave a stage.
//!
//! The sender's thread splits a batch up; no stage lies in between. A tee forks it: the copies
//! share bytes and attributes, and one delivery, which settles each message with the worst outcome
//! of its copies. A route takes it apart by `Message::branch`, which the component before it has
//! set; a batch of one branch stays whole. Copies for a detached branch have a delivery of their
//! own that no source waits for.
use std::sync::Arc;

use gopiper_abi::raw::{Batch, DEFAULT_CAPACITY, Outcome};

use crate::{
    base::time_spent::TimeSpent,
    channel::{Channel, Ticket, partition::take_apart},
    stage::inlet::Inlet,
};

/// The destination of messages that leave a stage.
pub(crate) enum Outlet {
    To(Arc<Inlet>),
    Tee(Tee),
    Route(Vec<Outlet>),
}

/// The branches of a tee, by what their policy asks for.
#[derive(Default)]
pub(crate) struct Tee {
    /// No source waits for the outcomes of their messages.
    pub(crate) detached: Vec<Outlet>,
    /// No sender waits for room in them.
    pub(crate) lossy: Vec<Outlet>,
    pub(crate) waited_for: Vec<Outlet>,
}

/// How long a batch waits for room.
pub(crate) enum Wait<'a> {
    /// As long as necessary; this counts the time.
    Room(&'a TimeSpent),
    /// Not at all: what finds no room is dropped.
    Never,
    /// There is room.
    Reserved(Room),
}

/// Room that was taken in the channels of an outlet.
pub(crate) enum Room {
    In(Ticket),
    /// In each branch that is waited for.
    Branches(Vec<Room>),
}

impl Outlet {
    /// Tells the channels that a stage more sends to them.
    pub(crate) fn begin(&self) {
        self.each_channel(&mut Channel::begin_sending);
    }

    /// The stage sends nothing any more: a channel to which none does has ended.
    pub(crate) fn end(&self) {
        self.each_channel(&mut Channel::end_sending);
    }

    pub(crate) fn is_closed(&self) -> bool {
        let mut open = false;
        self.each_channel(&mut |channel| open |= !channel.is_closed());
        !open
    }

    pub(crate) fn each_channel(&self, f: &mut impl FnMut(&Channel)) {
        match self {
            Outlet::To(inlet) => f(&inlet.channel),
            Outlet::Tee(Tee { detached, lossy, waited_for }) => {
                let all = detached.iter().chain(lossy).chain(waited_for);
                all.for_each(|outlet| outlet.each_channel(f));
            }
            Outlet::Route(branches) => branches.iter().for_each(|outlet| outlet.each_channel(f)),
        }
    }

    /// How many messages can be sent without waiting.
    pub(crate) fn credit(&self) -> usize {
        match self {
            Outlet::To(inlet) => inlet.channel.credit(),
            Outlet::Tee(Tee { waited_for: branches, .. }) | Outlet::Route(branches) => {
                // Bounded, so that a source without backpressure still notices a stop.
                branches.iter().map(Outlet::credit).min().unwrap_or(DEFAULT_CAPACITY as usize)
            }
        }
    }

    /// Takes the room for a batch if there is some: all of it in each branch that it may go to.
    pub(crate) fn try_reserve(&self, batch: &Batch) -> Option<Room> {
        match self {
            Outlet::To(inlet) => inlet.channel.try_reserve(batch).map(Room::In),
            _ => self.reserve(batch, &mut Vec::new()),
        }
    }

    /// `held`: where there is room for it already. Branches may come together again.
    fn reserve(&self, batch: &Batch, held: &mut Vec<*const Inlet>) -> Option<Room> {
        match self {
            Outlet::To(inlet) => {
                let here = Arc::as_ptr(inlet);
                if held.contains(&here) {
                    return Some(Room::In(inlet.channel.reserve_again(batch)));
                }
                let ticket = inlet.channel.try_reserve(batch)?;
                held.push(here);
                Some(Room::In(ticket))
            }
            Outlet::Tee(Tee { waited_for: branches, .. }) | Outlet::Route(branches) => {
                let mut rooms = Vec::new();
                for branch in branches {
                    match branch.reserve(batch, held) {
                        Some(room) => rooms.push(room),
                        None => {
                            self.give(Room::Branches(rooms));
                            return None;
                        }
                    }
                }
                Some(Room::Branches(rooms))
            }
        }
    }

    /// Gives room back that was not needed.
    pub(crate) fn give(&self, room: Room) {
        match (self, room) {
            (Outlet::To(inlet), Room::In(ticket)) => inlet.channel.give(ticket),
            (
                Outlet::Tee(Tee { waited_for: branches, .. }) | Outlet::Route(branches),
                Room::Branches(rooms),
            ) => branches.iter().zip(rooms).for_each(|(outlet, room)| outlet.give(room)),
            _ => debug_assert!(false, "room of another outlet"),
        }
    }

    /// Sends a batch on its way. Returns the bytes of the payloads that were sent (in a tee: into
    /// one branch), or the messages that could not be sent because the channel has closed.
    pub(crate) fn send(&self, batch: Batch, wait: Wait<'_>) -> Result<u64, Batch> {
        match self {
            Outlet::To(inlet) => match wait {
                Wait::Room(waits) => inlet.channel.send(batch, waits),
                Wait::Reserved(Room::In(ticket)) => inlet.channel.send_reserved(batch, ticket),
                Wait::Reserved(Room::Branches(_)) => {
                    debug_assert!(false, "room of another outlet");
                    Err(batch)
                }
                Wait::Never => Ok(inlet.offer(batch)),
            },
            Outlet::Tee(tee) => Ok(tee.send(batch, wait)),
            Outlet::Route(branches) => {
                let mut waits = wait.of_branches(branches.len());
                let (last, mut sent) = (branches.len() - 1, 0);
                for (branch, part) in
                    take_apart(batch, |message| usize::from(message.branch()).min(last))
                {
                    let wait = std::mem::replace(&mut waits[branch], Wait::Never);
                    // Messages that are not sent any more are returned.
                    sent += branches[branch].send(part, wait).unwrap_or(0);
                }
                for (branch, wait) in branches.iter().zip(waits) {
                    if let Wait::Reserved(room) = wait {
                        branch.give(room);
                    }
                }
                Ok(sent)
            }
        }
    }

    /// The first stage that it leads to.
    fn first(&self) -> &Arc<Inlet> {
        match self {
            Outlet::To(inlet) => inlet,
            Outlet::Tee(Tee { detached, lossy, waited_for }) => {
                let mut all = detached.iter().chain(lossy).chain(waited_for);
                all.next().expect("a tee has branches").first()
            }
            Outlet::Route(branches) => branches[0].first(),
        }
    }
}

impl<'a> Wait<'a> {
    /// The same for each of so many branches.
    fn of_branches(self, count: usize) -> Vec<Wait<'a>> {
        match self {
            Wait::Room(waits) => (0..count).map(|_| Wait::Room(waits)).collect(),
            Wait::Reserved(Room::Branches(rooms)) => {
                rooms.into_iter().map(Wait::Reserved).collect()
            }
            _ => (0..count).map(|_| Wait::Never).collect(),
        }
    }
}

impl Tee {
    /// Sends a batch into each branch; last into the branches that are waited for. Returns the
    /// bytes that were sent into the branch that took most.
    fn send(&self, mut batch: Batch, wait: Wait<'_>) -> u64 {
        let mut most = 0;
        // Messages that are not sent any more are returned.
        let mut send = |outlet: &Outlet, copy, wait| {
            most = outlet.send(copy, wait).unwrap_or(0).max(most);
        };
        for outlet in &self.detached {
            let (mut copy, first) = (batch.duplicate(), outlet.first());
            first.ledger.open(copy.len());
            copy.open_delivery(0, first.ledger.clone());
            send(outlet, copy, Wait::Never);
        }
        let ways = self.lossy.len() + self.waited_for.len();
        if ways == 0 {
            batch.settle(Outcome::DELIVERED);
            return most;
        }
        let mut copies = batch.fork(ways as u32).into_iter();
        for (outlet, copy) in self.lossy.iter().zip(&mut copies) {
            send(outlet, copy, Wait::Never);
        }
        let waits = wait.of_branches(self.waited_for.len());
        for ((outlet, copy), wait) in self.waited_for.iter().zip(copies).zip(waits) {
            send(outlet, copy, wait);
        }
        most
    }
}
