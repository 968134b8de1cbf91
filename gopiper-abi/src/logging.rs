//! `log` and `tracing` of a component, forwarded to its host.
use std::sync::{Once, OnceLock};

use log::{LevelFilter, Log, Metadata, Record};

use crate::raw::{Host, Level, with_current_host};

struct Forward;

/// The host of the first component made by this library: for threads of the author's own that are
/// in no [`Host::scope`].
static FIRST: OnceLock<Host> = OnceLock::new();

/// Forwards this library's `log` records to the host, and so `tracing`'s events, which become
/// records unless there is a subscriber. An existing logger, as in the host's own program, remains.
pub(crate) fn forward(host: &Host) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if log::set_logger(&Forward).is_ok() {
            // Lines that the host would discard are not formatted.
            let written = LevelFilter::iter()
                .skip(1)
                .take_while(|level| host.log_enabled(Level(*level as u32), module_path!()));
            log::set_max_level(written.last().unwrap_or(LevelFilter::Off));
            let _ = FIRST.set(host.clone());
        }
    });
}

fn with_host<T>(f: impl FnOnce(&Host) -> T) -> Option<T> {
    with_current_host(|current| current.or(FIRST.get()).map(f))
}

impl Log for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = Level(metadata.level() as u32);
        with_host(|host| host.log_enabled(level, metadata.target())).unwrap_or(false)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let text = record.args().to_string();
            with_host(|host| host.log(Level(record.level() as u32), record.target(), &text));
        }
    }

    fn flush(&self) {}
}
