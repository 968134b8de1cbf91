//! The state that the two halves of a buffer share.
use std::{
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use gopiper_abi::{
    Gauge, Host, Message,
    raw::{DEFAULT_CAPACITY, RawError},
};
use parking_lot::{Condvar, Mutex};

use super::{
    BufferOptions, WhenFull,
    arrivals::{Arrivals, oldest_file},
    block,
    error::StoreError,
    index::Index,
    record::Entries,
    store::{Memory, Store, StoredBlock},
};
use crate::disk::stored_bytes;

/// A block has at most this part of the buffer, unless one message is larger.
const PARTS: u64 = 8;
/// A segment has about this part of the buffer's size, within limits.
const SEGMENT_PART: u64 = 4;
const SEGMENT_BYTES: RangeInclusive<u64> = 32 << 10..=16 << 20;
/// How many finished blocks are logged together, if no block comes in meanwhile.
const LOGGED_AT_ONCE: usize = 32;

/// The state that the two halves of a buffer share.
pub(crate) struct SharedBuffer {
    options: BufferOptions,
    /// Present from the start of the inlet on, and so before any message.
    opened: OnceLock<Opened>,
    /// There may be room.
    changed: Condvar,
    /// No more blocks come in.
    ended: AtomicBool,
    /// Woken when there is something to read. Only present while the outlet runs: a host holds its
    /// stage, and so the outlet's factory, and so this.
    outlet: Mutex<Option<Host>>,
    /// How many halves exist.
    halves: AtomicUsize,
}

struct Opened {
    store: Store,
    gauges: Gauges,
    /// Locked after the index.
    arrivals: Mutex<Arrivals>,
}

impl Opened {
    fn show(&self, index: &Index) {
        self.gauges.messages.set(index.messages as f64);
        self.gauges.bytes.set(index.bytes as f64);
        let oldest = index.oldest().and_then(|number| self.arrivals.lock().oldest(number));
        self.gauges.oldest.set(oldest.map_or(0.0, |time| time as f64 / 1e9));
    }
}

/// The numbers that a buffer publishes.
pub(super) struct Gauges {
    messages: Gauge,
    bytes: Gauge,
    oldest: Gauge,
}

impl Gauges {
    pub(super) fn new(host: &Host, max_bytes: u64) -> Result<Self, RawError> {
        Ok(Gauges {
            messages: host.metric("stored_messages", "Messages that are stored.").gauge()?,
            bytes: stored_bytes(host, max_bytes)?,
            oldest: host
                .metric(
                    "oldest_stored_timestamp_seconds",
                    "When the oldest stored message came, in seconds since 1970; 0 if none is.",
                )
                .unit("seconds")
                .gauge()?,
        })
    }
}

impl SharedBuffer {
    pub(super) fn max_bytes(&self) -> u64 {
        self.options.max_bytes
    }

    pub(crate) fn new(options: BufferOptions) -> Arc<Self> {
        Arc::new(SharedBuffer {
            options,
            opened: OnceLock::new(),
            changed: Condvar::new(),
            ended: AtomicBool::new(false),
            outlet: Mutex::default(),
            halves: AtomicUsize::new(0),
        })
    }

    pub(super) fn open(
        &self,
        folder: &Path,
        origin: String,
        gauges: Gauges,
    ) -> Result<(), StoreError> {
        if self.opened.get().is_some() {
            return Ok(());
        }
        let segment_bytes = self.options.max_bytes / SEGMENT_PART;
        let segment_bytes = segment_bytes.clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end());
        let arrivals = Mutex::new(Arrivals::of_earlier_run(oldest_file(folder)));
        let store = Store::open(folder, origin, segment_bytes)?;
        let opened = self.opened.get_or_init(|| Opened { store, gauges, arrivals });
        opened.show(&opened.store.index.lock());
        Ok(())
    }

    pub(super) fn enter(&self) {
        self.halves.fetch_add(1, SeqCst);
    }

    /// The last half to go closes the files.
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

    /// As [`Store::origin_of`].
    pub(super) fn origin_of(&self, block: u64) -> String {
        self.opened().store.origin_of(block)
    }

    fn opened(&self) -> &Opened {
        self.opened.get().expect("the inlet starts before there are messages")
    }

    /// How many of these messages make up the next block: as many as a batch has, in a small part
    /// of the buffer, but one at least.
    pub(super) fn block_of(&self, messages: &[Message]) -> usize {
        let mut room = self.options.max_bytes / PARTS;
        let fits = |message: &&Message| {
            let bytes = block::weight(message);
            let has_room = bytes <= room;
            room = room.saturating_sub(bytes);
            has_room
        };
        let messages = &messages[..messages.len().min(DEFAULT_CAPACITY as usize)];
        messages.iter().take_while(fits).count().max(1)
    }

    /// Whether there is room for so many bytes more.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.opened().store.index.lock().bytes + bytes <= self.options.max_bytes
    }

    /// Whether there is room for a block, or none is needed; waits for room if the operator wants
    /// that.
    pub(super) fn await_room(&self, bytes: u64, is_stopping: impl Fn() -> bool) -> bool {
        let mut index = self.opened().store.index.lock();
        // One that is larger than the buffer goes in alone.
        while index.bytes > 0 && index.bytes + bytes > self.options.max_bytes && !is_stopping() {
            if self.options.when_full == WhenFull::DropNewest {
                return false;
            }
            self.changed.wait(&mut index);
        }
        true
    }

    /// Makes waiting threads look again.
    pub(super) fn nudge(&self) {
        // Locked: one that has just looked waits by now.
        let _index = self.opened.get().map(|opened| opened.store.index.lock());
        self.changed.notify_all();
    }

    /// Adds blocks in one commit, which is synced. It also removes finished blocks. `now` is the
    /// time of the new blocks.
    pub(super) fn append(&self, entries: &mut Entries, now: i64) -> Result<(), StoreError> {
        let opened = self.opened();
        let first = opened.store.index.lock().next;
        opened.store.append(entries)?;
        opened.arrivals.lock().add(first, now);
        opened.show(&opened.store.index.lock());
        self.wake_outlet();
        Ok(())
    }

    /// Reads the next block.
    pub(super) fn next(&self, memory: Memory) -> Result<Option<StoredBlock>, StoreError> {
        self.opened().store.next(memory)
    }

    pub(super) fn damaged(&self, number: u64) -> StoreError {
        self.opened().store.damaged_block(number)
    }

    /// The block is finished. Many such are logged at once, few with the next incoming block.
    pub(super) fn done(&self, number: u64) {
        let opened = self.opened();
        let count = {
            let mut index = opened.store.index.lock();
            index.done(number);
            opened.show(&index);
            self.changed.notify_all();
            index.count_done()
        };
        if count >= LOGGED_AT_ONCE {
            opened.store.log_finished();
        }
        opened.store.remove_dead();
    }

    /// These messages of blocks are finished, but not all of each.
    pub(super) fn shorten(
        &self,
        finished: &BTreeMap<u64, Vec<Range<u32>>>,
    ) -> Result<(), StoreError> {
        let opened = self.opened();
        opened.store.shorten(finished)?;
        opened.show(&opened.store.index.lock());
        Ok(())
    }

    /// Whether there is something to [tidy](Self::tidy).
    pub(super) fn is_untidy(&self) -> bool {
        self.opened.get().is_some_and(|opened| opened.store.is_untidy())
    }

    /// Removes finished blocks, synced. Otherwise this happens with the next incoming block.
    pub(super) fn tidy(&self) -> Result<(), StoreError> {
        match self.is_untidy() {
            true => self.opened().store.tidy(),
            false => Ok(()),
        }
    }

    /// No more blocks come in.
    pub(super) fn end(&self) {
        self.ended.store(true, SeqCst);
        self.wake_outlet();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(SeqCst)
    }

    /// Messages in the buffer.
    pub(super) fn messages(&self) -> u64 {
        self.opened.get().map_or(0, |opened| opened.store.index.lock().messages)
    }
}
