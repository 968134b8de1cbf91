//! The way on for the lines read.
use std::{mem, path::Path};

use gopiper_abi::{Batch, Error, Message, Positions, Postponed, lines::Format};

use crate::progress::ledger::Ledger;

/// The messages of a file: how many came before.
pub(crate) struct Counted<'a> {
    pub(crate) path: &'a Path,
    pub(crate) before: &'a mut u64,
}

impl Counted<'_> {
    fn positions(self, messages: usize) -> Positions {
        let first = *self.before + 1;
        *self.before += messages as u64;
        Positions::counted(self.path.to_string_lossy(), "message", first)
    }
}

/// How lines are cut and sent, and which are under way.
pub(crate) struct Outlet {
    pub(crate) format: Format,
    pub(crate) postponed: Postponed,
    /// `None` without a checkpoint: then the outcomes of the messages are not needed.
    pub(crate) ledger: Option<Ledger>,
    /// The name of the attribute that says the path.
    pub(crate) path_attribute: Option<String>,
    /// The name of the attribute that says where a line begins.
    pub(crate) offset_attribute: Option<String>,
}

impl Outlet {
    /// Sends lines of file `number`. `of_all` holds the attribute with the file's path. Without a
    /// checkpoint the source does not track where lines begin, so their positions are `counted`.
    pub(crate) fn send(
        &mut self,
        number: u64,
        of_all: &Message,
        mut batch: Batch,
        mut ends: Vec<u64>,
        counted: Counted<'_>,
    ) -> Result<(), Error> {
        // Where the messages begin and end, without what lies between them.
        let (mut starts, mut own_ends) = (Vec::new(), Vec::new());
        if let Some(ledger) = &mut self.ledger {
            starts = ledger.starts(number, &ends);
            own_ends.clone_from(&ends);
            if let Some(are_done) = ledger.are_done(number, &starts, &ends) {
                // Also of those that are left out at the end.
                let sent_to = ends.last().copied().unwrap_or_default();
                batch = without(batch, &are_done, self.postponed.batch());
                remove(&mut starts, &are_done);
                remove(&mut ends, &are_done);
                own_ends.clone_from(&ends);
                let Some(end) = ends.last_mut() else {
                    ledger.passed(number, sent_to);
                    return Ok(());
                };
                *end = sent_to;
            }
        }
        if !of_all.attributes().is_empty() {
            for message in batch.messages_mut() {
                message.share_attributes(of_all);
            }
        }
        if let Some(name) = &self.offset_attribute {
            for (message, start) in batch.messages_mut().iter_mut().zip(&starts) {
                message.set_attribute(name, *start as i64);
            }
        }
        match &mut self.ledger {
            None => {
                let positions = counted.positions(batch.len());
                self.postponed.send_located(batch, None, positions)?;
            }
            Some(ledger) => {
                let positions = ledger.positions(number, starts, own_ends);
                let token = ledger.sent(number, ends);
                match positions {
                    Some(positions) => {
                        self.postponed.send_located(batch, Some(token), positions)?;
                    }
                    None => self.postponed.send_tracked(batch, token)?,
                }
            }
        }
        Ok(())
    }
}

/// The messages that are not done, moved into an empty batch.
fn without(mut batch: Batch, are_done: &[bool], mut rest: Batch) -> Batch {
    while rest.room() < batch.len() {
        rest.grow();
    }
    for (message, is_done) in batch.messages_mut().iter_mut().zip(are_done) {
        if !is_done {
            let pushed = rest.push(mem::replace(message, Message::new("")));
            debug_assert!(pushed.is_ok(), "there is room for all");
        }
    }
    rest
}

fn remove(places: &mut Vec<u64>, are_done: &[bool]) {
    let mut are_done = are_done.iter();
    places.retain(|_| are_done.next() == Some(&false));
}
