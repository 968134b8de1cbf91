//! The sink that keeps dead letters on disk.
use std::{fs, io, path::PathBuf};

use gopiper_abi::{
    BatchCall, BatchComponent, Gauge, HandleFlags, Message, Postponed, Report, own,
    raw::client::FactoryHandle,
};

use super::{FOLDER, Letter, segment::Segment, segments};
use crate::disk::{MESSAGES_PER_SYNC, state, stored_bytes};

/// The approximate largest size of a segment.
const SEGMENT_BYTES: u64 = 64 << 20;

/// The most bytes of letters that one sync covers, and that are in memory for it.
const AT_ONCE: u64 = 8 << 20;

/// Writes messages into segments, and syncs them before it reports them.
struct DeadLetterSink {
    state: PathBuf,
    folder: PathBuf,
    limit: u64,
    stored: Gauge,
    segment: Option<Segment>,
    postponed: Postponed,
}

/// A sink that keeps letters in a state directory, which it creates for the first one. While the
/// segments there have `limit` bytes, it reports every message as Retry.
pub(crate) fn sink(state: PathBuf, limit: u64) -> FactoryHandle {
    own::committing_sink("dead_letters", MESSAGES_PER_SYNC, move |postponed| {
        let (state, folder) = (state.clone(), state.join(FOLDER));
        let stored = stored_bytes(postponed.host(), limit)?;
        let sink = DeadLetterSink { state, folder, limit, stored, segment: None, postponed };
        if let Ok(used) = sink.used() {
            sink.stored.set(used as f64);
        }
        Ok(sink)
    })
}

impl DeadLetterSink {
    /// Writes the first of these messages, as many as the limit has room for, but one at least.
    /// Returns how many those were.
    fn write(&mut self, messages: &[Message]) -> Result<usize, String> {
        let full = self
            .segment
            .as_ref()
            .is_some_and(|segment| segment.length() >= SEGMENT_BYTES || !segment.is_sound());
        let used = self.used().map_err(|error| format!("cannot read {}: {error}", self.shown()))?;
        self.stored.set(used as f64);
        if full || used >= self.limit {
            // Unlocked, so that it can be purged.
            self.segment = None;
        }
        if used >= self.limit {
            return Err(format!(
                "the dead letters in {} have reached their limit of {} bytes: nothing is \
                 overwritten, so the pipeline waits; replay them, or see 'gopiper dlq purge'",
                self.shown(),
                self.limit
            ));
        }
        let room = (self.limit - used).min(AT_ONCE);
        let now = self.postponed.host().now();
        let letters = messages.iter().map(|message| Letter::of(message, now));
        let written = match &mut self.segment {
            Some(segment) => segment.append(letters, room),
            none => {
                state::make(&self.state, FOLDER.as_ref()).map_err(|error| error.to_string())?;
                Segment::create(&self.folder, now)
                    .and_then(|segment| none.insert(segment).append(letters, room))
            }
        };
        written.map_err(|error| format!("cannot write to {}: {error}", self.folder.display()))
    }

    fn shown(&self) -> impl std::fmt::Display + '_ {
        self.folder.display()
    }

    fn used(&self) -> io::Result<u64> {
        let mut used = 0;
        for path in segments(&self.folder)? {
            // It may just have been purged.
            used += fs::metadata(path).map_or(0, |metadata| metadata.len());
        }
        Ok(used)
    }
}

impl BatchComponent for DeadLetterSink {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        let mut written = 0;
        while written < call.messages().len() {
            match self.write(&call.messages()[written..]) {
                Ok(more) => written += more,
                Err(error) => {
                    let rest = Report::retry(0, error);
                    return call.report_each(|place, _| match place < written {
                        true => Report::DONE,
                        false => rest.clone(),
                    });
                }
            }
        }
        call.report_all(Report::DONE)
    }
}
