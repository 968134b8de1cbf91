//! The state that the two halves of a buffer share.
use std::{
    collections::BTreeMap,
    ops::Range,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use gopiper_abi::{Gauge, Host, Message, raw::DEFAULT_CAPACITY};
use parking_lot::{Condvar, Mutex};

use super::{
    BufferOptions, WhenFull, block,
    store::{Store, StoreError},
};

/// A block has at most this part of the buffer, unless one message is larger.
const PARTS: u64 = 8;
/// How many finished blocks are removed together.
const TAKEN_AT_ONCE: usize = 32;

/// The state that the two halves of a buffer share.
pub(crate) struct SharedBuffer {
    options: BufferOptions,
    /// Present from the start of the inlet on, and so before any message.
    opened: OnceLock<Opened>,
    state: Mutex<BufferContent>,
    /// There may be room.
    changed: Condvar,
    /// Woken when there is something to read. Only present while the outlet runs: a host holds its
    /// stage, and so the outlet's factory, and so this.
    outlet: Mutex<Option<Host>>,
    /// How many halves exist.
    halves: AtomicUsize,
}

struct Opened {
    store: Store,
    messages: Gauge,
    bytes: Gauge,
}

impl Opened {
    fn show(&self, state: &BufferContent) {
        self.messages.set(state.messages);
        self.bytes.set(state.bytes);
    }
}

#[derive(Default)]
struct BufferContent {
    /// The unfinished blocks: their bytes and messages.
    blocks: BTreeMap<u64, (u64, u64)>,
    bytes: u64,
    messages: u64,
    next: u64,
    /// Finished blocks that are still in the store. They take no room, because they are removed
    /// when the next block is added.
    done: Vec<u64>,
    ended: bool,
}

impl BufferContent {
    fn add(&mut self, number: u64, bytes: u64, messages: u64) {
        self.blocks.insert(number, (bytes, messages));
        self.bytes += bytes;
        self.messages += messages;
        self.next = self.next.max(number + 1);
    }

    fn done(&mut self, number: u64) {
        self.remove(number);
        self.done.push(number);
    }

    fn remove(&mut self, number: u64) {
        let (bytes, messages) = self.blocks.remove(&number).unwrap_or_default();
        self.bytes -= bytes;
        self.messages -= messages;
    }

    fn shorten(&mut self, number: u64, bytes: u64, messages: u64) {
        self.remove(number);
        self.add(number, bytes, messages);
    }
}

impl SharedBuffer {
    pub(crate) fn new(options: BufferOptions) -> Arc<Self> {
        Arc::new(SharedBuffer {
            options,
            opened: OnceLock::new(),
            state: Mutex::default(),
            changed: Condvar::new(),
            outlet: Mutex::default(),
            halves: AtomicUsize::new(0),
        })
    }

    pub(super) fn open(&self, folder: &Path, host: &Host) -> Result<(), StoreError> {
        if self.opened.get().is_some() {
            return Ok(());
        }
        let (store, content) = Store::open(folder)?;
        let mut state = self.state.lock();
        state.next = content.next;
        for block in content.blocks {
            state.add(block.number, block.bytes, block.messages);
        }
        let messages = host.gauge("buffer_messages", "Messages in the buffer.");
        let bytes = host.gauge("buffer_bytes", "Bytes in the buffer.");
        let opened = self.opened.get_or_init(|| Opened { store, messages, bytes });
        opened.show(&state);
        Ok(())
    }

    pub(super) fn enter(&self) {
        self.halves.fetch_add(1, SeqCst);
    }

    /// The last half to go closes the file.
    pub(super) fn leave(&self) {
        if self.halves.fetch_sub(1, SeqCst) == 1
            && let Some(opened) = self.opened.get()
        {
            opened.store.close();
        }
    }

    pub(super) fn set_outlet(&self, host: Option<Host>) {
        *self.outlet.lock() = host;
    }

    fn wake_outlet(&self) {
        self.outlet.lock().iter().for_each(Host::wake);
    }

    fn opened(&self) -> &Opened {
        self.opened.get().expect("the inlet starts before there are messages")
    }

    /// How many of these messages make up the next block: as many as a batch has, in a small part
    /// of the buffer, but one at least.
    pub(super) fn block_of(&self, messages: &[Message]) -> usize {
        let mut room = self.options.max_bytes / PARTS;
        let fits = |message: &&Message| {
            let bytes = message.data().len() as u64;
            let has_room = bytes <= room;
            room = room.saturating_sub(bytes);
            has_room
        };
        let messages = &messages[..messages.len().min(DEFAULT_CAPACITY as usize)];
        messages.iter().take_while(fits).count().max(1)
    }

    /// Whether there is room for so many bytes more.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.state.lock().bytes + bytes <= self.options.max_bytes
    }

    /// Whether there is room for a block, or none is needed; waits for room if the operator wants
    /// that.
    pub(super) fn await_room(&self, bytes: u64, is_stopping: impl Fn() -> bool) -> bool {
        let mut state = self.state.lock();
        // One that is larger than the buffer goes in alone.
        while state.bytes > 0 && state.bytes + bytes > self.options.max_bytes && !is_stopping() {
            if self.options.when_full == WhenFull::DropNewest {
                return false;
            }
            self.changed.wait(&mut state);
        }
        true
    }

    /// Makes waiting threads look again.
    pub(super) fn nudge(&self) {
        let _state = self.state.lock();
        self.changed.notify_all();
    }

    /// Adds blocks, each with its number of messages, in one commit, which is synced. It also
    /// removes finished blocks.
    pub(super) fn append(&self, blocks: &[(Vec<u8>, u64)]) -> Result<(), StoreError> {
        self.change(blocks)?;
        self.wake_outlet();
        Ok(())
    }

    fn change(&self, put: &[(Vec<u8>, u64)]) -> Result<(), StoreError> {
        let opened = self.opened();
        let (first, done) = {
            let mut state = self.state.lock();
            (state.next, std::mem::take(&mut state.done))
        };
        let blocks: Vec<_> = (first..).zip(put.iter().map(|(block, _)| &block[..])).collect();
        let changed = opened.store.change(&blocks, &done);
        let mut state = self.state.lock();
        if let Err(error) = changed {
            state.done.extend(done);
            return Err(error);
        }
        for (number, (block, messages)) in (first..).zip(put) {
            state.add(number, block.len() as u64, *messages);
        }
        opened.show(&state);
        Ok(())
    }

    /// The first block from this number on. A new block counts only after it was reported as added:
    /// a failed attempt may have left it in the store, and it is added again.
    pub(super) fn next(&self, from: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let reported = self.state.lock().next;
        self.opened().store.next(from..reported)
    }

    pub(super) fn damaged(&self, number: u64) -> StoreError {
        self.opened().store.damaged(number)
    }

    /// The block is finished.
    pub(super) fn done(&self, number: u64) {
        let mut state = self.state.lock();
        state.done(number);
        self.opened().show(&state);
        self.changed.notify_all();
    }

    /// These messages of a block are finished, but not all of them.
    pub(super) fn shorten(&self, number: u64, done: &[Range<u32>]) -> Result<(), StoreError> {
        let opened = self.opened();
        let Some((_, bytes)) = opened.store.next(number..number + 1)? else { return Ok(()) };
        let (block, messages) = block::without(bytes, done).map_err(|_| self.damaged(number))?;
        opened.store.replace(number, &block)?;
        let mut state = self.state.lock();
        state.shorten(number, block.len() as u64, messages);
        opened.show(&state);
        Ok(())
    }

    /// Whether finished blocks are still in the store.
    pub(super) fn has_done(&self) -> bool {
        !self.state.lock().done.is_empty()
    }

    /// Removes finished blocks if they are many, or `at_once`. Otherwise they are removed with the
    /// next incoming block.
    pub(super) fn take_out(&self, at_once: bool) -> Result<(), StoreError> {
        let done = self.state.lock().done.len();
        if done >= TAKEN_AT_ONCE || (at_once && done > 0) { self.change(&[]) } else { Ok(()) }
    }

    /// No more blocks come in.
    pub(super) fn end(&self) {
        self.state.lock().ended = true;
        self.wake_outlet();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().ended
    }

    /// Messages in the buffer.
    pub(super) fn messages(&self) -> u64 {
        self.state.lock().messages
    }
}
