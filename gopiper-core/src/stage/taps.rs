//! Taps copy some of the messages that pass a stage, for an operator. While no tap is open, a
//! worker pays one load for each batch.
use std::{
    fmt::{self, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use crossbeam_channel::{Receiver, Sender, bounded};
use gopiper_abi::{Message, Value, ValueTag, raw::Batch};
use memchr::memmem::Finder;
use parking_lot::Mutex;

use crate::{base::clock::Clock, stage::pace::Pace};

/// The most taps of one component.
const MOST_TAPS: usize = 8;
/// The most copies that wait for the operator, and approximately the most bytes of them. Beyond
/// that, messages pass unseen.
const WAITING: usize = 256;
const WAITING_BYTES: usize = 4 << 20;
/// The most bytes of a message that are copied, and of each of its attributes.
const COPIED: usize = 64 << 10;
const COPIED_OF_ATTRIBUTE: usize = 4 << 10;

/// Where a message was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// As it came to the component.
    Before,
    /// As the component passed it on, or delivered it.
    After,
}

/// Which messages a tap shows.
#[derive(Debug, Clone)]
pub struct TapOptions {
    /// The most messages a second, on each side.
    pub per_second: f64,
    /// Only messages whose bytes contain this. Each message is searched while one is due.
    pub contains: Vec<u8>,
    /// Only this side; `None` for both.
    pub side: Option<Side>,
}

/// A copy of a message.
#[derive(Debug, Clone)]
pub struct TappedMessage {
    /// Where it was seen.
    pub side: Side,
    /// When it was seen: nanoseconds since 1970.
    pub seen: i64,
    /// Its bytes, or the first of them.
    pub data: Vec<u8>,
    /// The number of bytes that it has.
    pub length: usize,
    /// Its attributes. Long ones are cut off; lists, maps and bytes are described as text.
    pub attributes: Vec<(String, Value)>,
    /// Its position in its source's input, as text, if the source gives it.
    pub position: Option<String>,
}

/// The taps of a stage.
#[derive(Default)]
pub(crate) struct Taps {
    count: AtomicUsize,
    open: Mutex<Vec<Arc<SharedTap>>>,
}

/// The state that the workers share with the operator's side.
pub(crate) struct SharedTap {
    contains: Finder<'static>,
    side: Option<Side>,
    /// For each side.
    paces: [Pace; 2],
    sender: Sender<TappedMessage>,
    receiver: Receiver<TappedMessage>,
    waiting_bytes: AtomicUsize,
    /// Messages that were not copied because too many copies waited.
    pub(crate) unseen: AtomicU64,
}

impl Taps {
    /// Opens a tap. `None` if there are too many already.
    pub(crate) fn open(&self, options: &TapOptions) -> Option<Arc<SharedTap>> {
        let mut open = self.open.lock();
        if open.len() == MOST_TAPS {
            return None;
        }
        let (sender, receiver) = bounded(WAITING);
        let tap = Arc::new(SharedTap {
            contains: Finder::new(&options.contains).into_owned(),
            side: options.side,
            paces: [Pace::new(options.per_second), Pace::new(options.per_second)],
            sender,
            receiver,
            waiting_bytes: AtomicUsize::new(0),
            unseen: AtomicU64::new(0),
        });
        open.push(tap.clone());
        self.count.store(open.len(), Relaxed);
        Some(tap)
    }

    pub(crate) fn close(&self, tap: &Arc<SharedTap>) {
        let mut open = self.open.lock();
        open.retain(|other| !Arc::ptr_eq(other, tap));
        self.count.store(open.len(), Relaxed);
    }

    /// Shows a batch to the taps.
    #[inline]
    pub(crate) fn show(&self, side: Side, batch: &mut Batch, clock: &Clock) {
        if self.count.load(Relaxed) > 0 {
            self.show_to_all(side, batch, clock);
        }
    }

    #[cold]
    fn show_to_all(&self, side: Side, batch: &mut Batch, clock: &Clock) {
        let now = clock.monotonic();
        // Cloned: a worker that copies must not keep another one waiting.
        let open = self.open.lock().clone();
        for tap in open.iter().filter(|tap| tap.side.is_none_or(|wanted| wanted == side)) {
            tap.look(side, batch, now, clock);
        }
    }
}

impl SharedTap {
    /// Copies a message of the batch, if one is due.
    fn look(&self, side: Side, batch: &mut Batch, now: i64, clock: &Clock) {
        let fits = |message: &Message| self.contains.find(message.data()).is_some();
        let find = || batch.messages().iter().position(fits);
        let Some(place) = self.paces[side as usize].choose(now, find) else { return };
        // A message in a run has no position: `messages_mut` takes the run apart.
        let copy = copied(&batch.messages_mut()[place], side, clock.now());
        let bytes = size(&copy);
        let waiting = self.waiting_bytes.fetch_add(bytes, Relaxed);
        if waiting > WAITING_BYTES || self.sender.try_send(copy).is_err() {
            self.waiting_bytes.fetch_sub(bytes, Relaxed);
            self.unseen.fetch_add(1, Relaxed);
        }
    }

    /// Takes the copy that has waited longest.
    pub(crate) fn take(&self) -> Option<TappedMessage> {
        let copy = self.receiver.try_recv().ok()?;
        self.waiting_bytes.fetch_sub(size(&copy), Relaxed);
        Some(copy)
    }
}

/// The approximate memory of a copy.
fn size(copy: &TappedMessage) -> usize {
    let of_value = |value: &Value| value.as_str().map_or(0, str::len);
    let attributes = copy.attributes.iter().map(|(name, value)| name.len() + of_value(value));
    copy.data.len() + attributes.sum::<usize>()
}

/// A copy of an attribute that shares no memory with it, cut off if it is long.
fn copied_value(value: &Value) -> Value {
    match value.tag() {
        ValueTag::LIST | ValueTag::MAP => {
            let mut text = Cut { text: String::new(), left: COPIED_OF_ATTRIBUTE };
            // It fails when the limit is reached.
            let _ = write!(text, "{value:?}");
            text.text.into()
        }
        _ => match (value.as_str(), value.as_bytes()) {
            (Some(text), _) if text.len() > COPIED_OF_ATTRIBUTE => {
                let ends = (0..=COPIED_OF_ATTRIBUTE).rev();
                let end = ends.into_iter().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                format!("{}…", &text[..end]).into()
            }
            (Some(text), _) => text.to_owned().into(),
            (None, Some(bytes)) => format!("{} bytes", bytes.len()).into(),
            (None, None) => value.clone(),
        },
    }
}

/// A text that takes `left` more bytes.
struct Cut {
    text: String,
    left: usize,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > self.left {
            self.text.push('…');
            return Err(fmt::Error);
        }
        self.left -= text.len();
        self.text.push_str(text);
        Ok(())
    }
}

fn copied(message: &Message, side: Side, seen: i64) -> TappedMessage {
    let data = message.data();
    let attributes = message.attributes().iter();
    TappedMessage {
        side,
        seen,
        data: data[..data.len().min(COPIED)].to_vec(),
        length: data.len(),
        attributes: attributes
            .map(|(name, value)| (name.to_owned(), copied_value(value)))
            .collect(),
        position: message.position(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clock::ManualClock;

    fn batch(texts: &[&str]) -> Batch {
        let mut batch = Batch::new(16);
        for text in texts {
            assert!(batch.push(Message::new((*text).to_owned())).is_ok());
        }
        batch
    }

    fn options(per_second: f64, contains: &str) -> TapOptions {
        TapOptions { per_second, contains: contains.into(), side: None }
    }

    fn seen(tap: &SharedTap) -> Vec<(Side, Vec<u8>)> {
        std::iter::from_fn(|| tap.take()).map(|message| (message.side, message.data)).collect()
    }

    #[test]
    fn so_many_messages_a_second_are_copied() {
        let (clock, taps) = (ManualClock::new(), Taps::default());
        let tap = taps.open(&options(10.0, "")).expect("room");
        for _ in 0..100 {
            taps.show(Side::Before, &mut batch(&["one", "two"]), &clock.clock());
            taps.show(Side::After, &mut batch(&["three"]), &clock.clock());
            clock.advance(Duration::from_millis(10));
        }
        let seen = seen(&tap);
        assert_eq!(seen.len(), 20, "in one second, of each side");
        assert_eq!(seen[0], (Side::Before, b"one".to_vec()));
        assert_eq!(seen[1], (Side::After, b"three".to_vec()));
    }

    #[test]
    fn a_word_is_searched_in_each_message() {
        let (clock, taps) = (ManualClock::new(), Taps::default());
        let tap = taps.open(&options(1.0, "needle")).expect("room");
        let side = TapOptions { side: Some(Side::After), ..options(1.0, "") };
        let after = taps.open(&side).expect("room");
        taps.show(Side::Before, &mut batch(&["hay", "hay"]), &clock.clock());
        taps.show(Side::Before, &mut batch(&["hay", "a needle"]), &clock.clock());
        assert_eq!(seen(&tap), [(Side::Before, b"a needle".to_vec())]);
        assert!(seen(&after).is_empty());
    }

    #[test]
    fn a_tap_that_nobody_reads_keeps_no_worker_waiting() {
        let (clock, taps) = (ManualClock::new(), Taps::default());
        let tap = taps.open(&options(1e9, "")).expect("room");
        for _ in 0..2 * WAITING {
            taps.show(Side::Before, &mut batch(&["one"]), &clock.clock());
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(seen(&tap).len(), WAITING);
        assert_eq!(tap.unseen.load(Relaxed), WAITING as u64);
        taps.close(&tap);
        assert_eq!(taps.count.load(Relaxed), 0);
    }

    #[test]
    fn taps_are_few() {
        let taps = Taps::default();
        let open: Vec<_> = (0..MOST_TAPS).map(|_| taps.open(&options(1.0, ""))).collect();
        assert!(open.iter().all(Option::is_some) && taps.open(&options(1.0, "")).is_none());
    }

    #[test]
    fn a_large_message_is_copied_in_part() {
        let mut message = Message::new(vec![b'x'; COPIED + 1]);
        message.set_attribute("long", "é".repeat(COPIED_OF_ATTRIBUTE));
        message.set_attribute("list", vec![Value::from("é".repeat(10_000)); 10]);
        message.set_attribute("status", 200i64);
        let copy = copied(&message, Side::After, 0);
        assert_eq!((copy.data.len(), copy.length), (COPIED, COPIED + 1));
        let [(_, long), (_, list), (_, status)] = &copy.attributes[..] else { panic!("three") };
        assert!(long.as_str().is_some_and(|it| it.len() < 5000 && it.ends_with("é…")), "{long:?}");
        assert!(list.as_str().is_some_and(|it| it.len() < 5000 && it.ends_with('…')), "{list:?}");
        assert_eq!(status.as_i64(), Some(200));
    }

    #[test]
    fn copies_that_wait_take_so_many_bytes_at_most() {
        let (clock, taps) = (ManualClock::new(), Taps::default());
        let tap = taps.open(&options(1e9, "")).expect("room");
        let large = "x".repeat(COPIED);
        for _ in 0..WAITING {
            taps.show(Side::Before, &mut batch(&[&large]), &clock.clock());
            clock.advance(Duration::from_secs(1));
        }
        let waiting = WAITING_BYTES / COPIED + 1;
        assert_eq!(tap.unseen.load(Relaxed), (WAITING - waiting) as u64);
        assert_eq!(seen(&tap).len(), waiting);
        assert_eq!(tap.waiting_bytes.load(Relaxed), 0);
    }
}
