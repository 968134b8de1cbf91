//! How much of the files is not read yet, for operators.
use gopiper_abi::{Error, Gauge, raw::Host};

use super::LOOK_EVERY;
use crate::{files::found::Found, reading::reader::Reader};

/// Published as `gopiper_component_lag_bytes`.
pub(super) struct Lag {
    bytes: Gauge,
    next_look: i64,
}

impl Lag {
    pub(super) fn new(host: &Host) -> Result<Self, Error> {
        let help = "Bytes that are not read yet of open files, and of those whose turn will come.";
        let bytes = host.metric("lag_bytes", help).unit("bytes").gauge()?;
        Ok(Lag { bytes, next_look: i64::MIN })
    }

    /// Looks at the files if it is time to. If all that is there has been read, nothing is left.
    pub(super) fn look<'f>(
        &mut self,
        (now, all_is_read): (i64, bool),
        readers: &[Reader],
        waiting: impl Iterator<Item = &'f Found>,
    ) {
        if all_is_read {
            self.bytes.set(0.0);
            return;
        }
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK_EVERY;
        let waiting: u64 = waiting.map(|file| file.length).sum();
        let begun: u64 = readers.iter().map(Reader::left).sum();
        self.bytes.set((begun + waiting) as f64);
    }
}
