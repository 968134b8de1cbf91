//! The source that reads from a buffer.
use std::{collections::BTreeMap, mem, ops::Range, sync::Arc, time::Duration};

use gopiper_abi::{
    Error, Level, Outcome, Positions, Postponed, Produced, Source, own, raw::client::FactoryHandle,
};

use super::{block, shared::SharedBuffer};
use crate::base::plural::plural;

/// How long it waits before it repeats a read that failed.
const PAUSE: Duration = Duration::from_millis(500);
/// The memory for a block is a multiple of this, so that it can be used again for another one.
const GRAIN: usize = 16 << 10;
/// Finished blocks are removed with the next incoming block, or after this time if there is none.
const IDLE: Duration = Duration::from_millis(100);

struct BufferSource {
    shared: Arc<SharedBuffer>,
    /// Messages that are under way or were returned, by block.
    sent: BTreeMap<u64, UnderWay>,
    /// When finished blocks are removed, unless a block comes in before.
    idle_until: Option<i64>,
    postponed: Postponed,
}

struct UnderWay {
    /// Messages that are under way or were returned.
    left: u32,
    /// The others, while there are some of both.
    done: Vec<Range<u32>>,
}

/// The source after a buffer.
pub(crate) fn outlet(shared: Arc<SharedBuffer>) -> FactoryHandle {
    own::source("buffer.out", move |postponed| {
        shared.enter();
        shared.set_outlet(Some(postponed.host().clone()));
        Ok(BufferSource {
            shared: shared.clone(),
            sent: BTreeMap::new(),
            idle_until: None,
            postponed,
        })
    })
}

impl BufferSource {
    fn after(&self, time: Duration) -> i64 {
        self.postponed.host().monotonic() + time.as_nanos() as i64
    }

    /// There is nothing to read.
    fn idle(&mut self) -> Produced {
        if !self.shared.is_untidy() {
            self.idle_until = None;
            return Produced::WAITING;
        }
        let until = *self.idle_until.get_or_insert(self.after(IDLE));
        if self.postponed.host().monotonic() < until {
            return Produced::waiting_until(until);
        }
        self.tidy();
        // If the disk did not take it, again.
        self.idle_until = self.shared.is_untidy().then(|| self.after(PAUSE));
        Produced::waiting_until(self.idle_until.unwrap_or(i64::MAX))
    }

    fn tidy(&mut self) {
        if let Err(error) = self.shared.tidy() {
            self.complain(&format!("{error}; finished messages may come again"));
        }
    }

    /// Called again for a lasting problem: the log counts equal lines.
    fn complain(&mut self, error: &str) {
        self.postponed.host().log(Level::ERROR, module_path!(), error);
    }
}

impl Source for BufferSource {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        // Asked before the read: a block that comes in between wakes this source.
        let ended = self.shared.has_ended();
        let host = self.postponed.host();
        let memory = |length: usize| host.payload(length.next_multiple_of(GRAIN));
        let block = match self.shared.next(&memory) {
            Ok(Some(block)) => block,
            Ok(None) if ended => return Ok(Produced::FINISHED),
            Ok(None) => return Ok(self.idle()),
            Err(error) if error.is_final() => return Err(error.into()),
            Err(error) => {
                self.complain(&format!("{error}; trying again soon"));
                return Ok(Produced::waiting_until(self.after(PAUSE)));
            }
        };
        let mut batch = self.postponed.batch();
        let number = block.number;
        let ids = block::read(&block.bytes, block.messages, &mut batch)
            .map_err(|_| self.shared.damaged(number))?;
        self.idle_until = None;
        self.sent.insert(number, UnderWay { left: batch.len() as u32, done: Vec::new() });
        let positions = Positions::counted(format!("buffered block {number}"), "message", 1)
            .identified(self.shared.origin_of(number))
            .with_identities(ids);
        self.postponed.send_located(batch, Some(number), positions)?;
        Ok(Produced::MORE)
    }

    fn settled(&mut self, number: u64, indices: Range<u32>, outcome: Outcome) {
        let Some(sent) = self.sent.get_mut(&number).filter(|_| outcome.is_final()) else { return };
        sent.left -= indices.end - indices.start;
        if sent.left > 0 {
            sent.done.push(indices);
            return;
        }
        self.sent.remove(&number);
        self.shared.done(number);
    }
}

impl Drop for BufferSource {
    fn drop(&mut self) {
        let sent = mem::take(&mut self.sent).into_iter();
        let partly = sent.filter(|(_, sent)| !sent.done.is_empty());
        let partly: BTreeMap<_, _> = partly.map(|(number, sent)| (number, sent.done)).collect();
        if partly.is_empty() {
            self.tidy();
        } else if let Err(error) = self.shared.shorten(&partly) {
            self.complain(&format!("{error}; finished messages may come again"));
        }
        let left = self.shared.messages();
        if left > 0 {
            let verb = if left == 1 { "stays" } else { "stay" };
            let left = plural(left as usize, "message");
            let said = format!("{left} {verb} in the buffer for the next run");
            self.postponed.host().log(Level::INFO, module_path!(), &said);
        }
        self.shared.set_outlet(None);
        self.shared.leave();
    }
}
