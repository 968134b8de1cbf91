//! How much of the files is not read yet, for operators.
use std::path::Path;

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
        let help = "Bytes of the files that are not read yet, without compressed files.";
        let bytes = host.metric("lag_bytes", help).unit("bytes").gauge()?;
        Ok(Lag { bytes, next_look: i64::MIN })
    }

    /// Looks at the files if it is time to, or if all that is there has been read.
    pub(super) fn look<'f>(
        &mut self,
        (now, all_is_read): (i64, bool),
        readers: &[Reader],
        waiting: impl Iterator<Item = &'f Found>,
    ) {
        if now < self.next_look && !all_is_read {
            return;
        }
        self.next_look = now + LOOK_EVERY;
        let length = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
        let waiting: u64 = waiting.map(|file| length(&file.path)).sum();
        let begun: u64 = readers.iter().map(Reader::left).sum();
        self.bytes.set((begun + waiting) as f64);
    }
}
