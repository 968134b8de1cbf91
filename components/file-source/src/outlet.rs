//! The way on for what was read.
use gopiper_abi::{Batch, Error, Message, Postponed, lines::Format};

use crate::ledger::Ledger;

/// How lines are cut and sent, and what is under way.
pub(crate) struct Outlet {
    pub(crate) format: Format,
    pub(crate) postponed: Postponed,
    /// `None` without a checkpoint: then nobody wants to hear what becomes of the messages.
    pub(crate) ledger: Option<Ledger>,
    /// The name of the attribute that says the path.
    pub(crate) path_attribute: Option<String>,
}

impl Outlet {
    /// Sends lines of file `number`, whose path `of_all` has as an attribute.
    pub(crate) fn send(
        &mut self,
        number: u64,
        of_all: &Message,
        mut batch: Batch,
        ends: Vec<u64>,
    ) -> Result<(), Error> {
        if let Some(attributes) = of_all.attributes() {
            for message in batch.messages_mut() {
                if message.attributes().is_none() {
                    message.share_attributes(of_all);
                } else {
                    // Its report is described there.
                    for (key, value) in attributes.iter() {
                        message.set_attribute(key, value.clone());
                    }
                }
            }
        }
        match &mut self.ledger {
            None => self.postponed.send_batch(batch)?,
            Some(ledger) => {
                let positions = ledger.positions(number, &ends);
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
