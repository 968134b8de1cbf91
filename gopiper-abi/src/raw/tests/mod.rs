//! The promises of the interface, as stories, and the counters that check them.
mod attributes;
mod batch;
mod delivery;
mod fork;
mod glue;
mod handled;
mod identity;
mod lent;
mod message;
#[cfg(loom)]
mod models;
mod payload;
mod pieces;
mod run;
mod value;
mod ways;

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use super::*;

/// Counts the memory blocks that were made and freed.
#[derive(Debug, Clone, Default)]
struct Books(Arc<(AtomicUsize, AtomicUsize)>);

struct Block(Vec<u8>, Books);

impl AsMut<[u8]> for Block {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.1.0.1.fetch_add(1, SeqCst);
    }
}

impl Books {
    /// A payload whose memory is counted.
    fn payload(&self, bytes: impl AsRef<[u8]>) -> Payload {
        self.memory(bytes).freeze()
    }

    fn memory(&self, bytes: impl AsRef<[u8]>) -> PayloadMut {
        self.0.0.fetch_add(1, SeqCst);
        PayloadMut::from_owner(Block(bytes.as_ref().to_vec(), self.clone()), None)
    }

    /// How many blocks are in memory.
    fn alive(&self) -> usize {
        let (made, freed) = (self.0.0.load(SeqCst), self.0.1.load(SeqCst));
        made.checked_sub(freed).expect("no block is freed twice")
    }
}

/// Receives the outcomes of messages: token and index, with every outcome reported for it.
#[derive(Debug, Default)]
struct Ledger(Mutex<BTreeMap<(u64, u32), Vec<Outcome>>>);

impl Settle for Ledger {
    fn settled(&self, token: u64, first: u32, count: u32, outcome: Outcome) {
        let mut said = self.0.lock().unwrap();
        for index in first..first + count {
            said.entry((token, index)).or_default().push(outcome);
        }
    }
}

impl Ledger {
    fn open() -> Arc<Self> {
        Arc::default()
    }

    /// The outcomes of the messages of a batch of `count`; `None` while one is open.
    ///
    /// # Panics
    /// When something was settled twice, or beyond `count`.
    fn outcomes(&self, token: u64, count: u32) -> Vec<Option<Outcome>> {
        let said = self.0.lock().unwrap();
        for ((token, index), outcomes) in said.iter() {
            assert_eq!(outcomes.len(), 1, "message {index} of {token}: {outcomes:?}");
        }
        let beyond = said.range((token, count)..=(token, u32::MAX)).next();
        assert_eq!(beyond, None, "only {count} messages");
        (0..count).map(|index| said.get(&(token, index)).map(|outcomes| outcomes[0])).collect()
    }
}

/// Takes batches that were completed later.
#[derive(Debug, Default)]
struct Completed(Mutex<Option<Batch>>, Condvar);

impl Completion for Completed {
    fn completed(&self, batch: Batch) {
        *self.0.lock().unwrap() = Some(batch);
        self.1.notify_all();
    }
}

impl Completed {
    fn wait(&self) -> Batch {
        let mut batch = self.0.lock().unwrap();
        loop {
            match batch.take() {
                Some(batch) => return batch,
                None => batch = self.1.wait(batch).unwrap(),
            }
        }
    }
}

/// Lends a batch to `component` for one call, as a worker's `handle` does.
fn lend(handling: &Handling, component: impl FnOnce(BatchCall<'_>) -> HandleFlags) -> HandleFlags {
    handling.lend(|raw| {
        let said = Cell::new(HandleFlags::ALL_DONE);
        // SAFETY: `lend` gives the batch to this call alone, with messages from its cursor on.
        let returned = component(unsafe { BatchCall::new(raw, &said) });
        assert_eq!(returned, said.get());
        returned
    })
}

fn texts(batch: &Batch) -> Vec<String> {
    let text = |message: &Message| String::from_utf8_lossy(message.data()).into_owned();
    batch.messages().iter().map(text).collect()
}
