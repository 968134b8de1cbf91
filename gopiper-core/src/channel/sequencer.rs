//! Restores the order of a channel's batches after several workers have handled them.
use std::collections::VecDeque;

use crate::channel::sync::{Mutex, MutexGuard};

/// The batches that leave a stage, in the order in which they entered it.
///
/// The worker with the next batch in order sends it, and all that wait for it, without holding the
/// lock, because sending may block. Meanwhile the others leave theirs here and go on.
pub(crate) struct Sequencer<T> {
    state: Mutex<SequencerState<T>>,
}

struct SequencerState<T> {
    next: u64,
    /// The waiting batches, from `next` on.
    waiting: VecDeque<Option<T>>,
    sending: bool,
}

impl<T> Sequencer<T> {
    pub(crate) fn new() -> Self {
        Sequencer {
            state: Mutex::new(SequencerState { next: 0, waiting: VecDeque::new(), sending: false }),
        }
    }

    /// Takes the result of `sequence`, which comes once; sends the batches that are due.
    pub(crate) fn put(&self, sequence: u64, item: T, mut send: impl FnMut(T)) {
        let mut state = self.state.lock();
        let place = (sequence - state.next) as usize;
        if place == 0 && !state.sending && state.waiting.is_empty() {
            state.sending = true;
            state.next += 1;
            MutexGuard::unlocked(&mut state, || send(item));
        } else {
            while state.waiting.len() <= place {
                state.waiting.push_back(None);
            }
            state.waiting[place] = Some(item);
            if state.sending {
                return;
            }
            state.sending = true;
        }
        while let Some(Some(_)) = state.waiting.front() {
            let item = state.waiting.pop_front().flatten();
            state.next += 1;
            if let Some(item) = item {
                MutexGuard::unlocked(&mut state, || send(item));
            }
        }
        state.sending = false;
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    #[test]
    fn four_threads_come_out_in_order() {
        let (sequencer, out) = (Arc::new(Sequencer::new()), Arc::new(Mutex::new(Vec::new())));
        let threads: Vec<_> = (0..4u64)
            .map(|mine| {
                let (sequencer, out) = (sequencer.clone(), out.clone());
                thread::spawn(move || {
                    for sequence in (0..4000).filter(|n| (n * 7 / 3) % 4 == mine) {
                        sequencer.put(sequence, sequence, |item| out.lock().push(item));
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*out.lock(), (0..4000).collect::<Vec<_>>());
    }

    #[test]
    fn early_items_wait() {
        let (sequencer, mut out) = (Sequencer::new(), Vec::new());
        for sequence in [2, 1, 4, 0, 3] {
            sequencer.put(sequence, sequence, |item| out.push(item));
        }
        assert_eq!(out, [0, 1, 2, 3, 4]);
    }
}
