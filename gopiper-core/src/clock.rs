//! The two clocks that components see.
use std::{
    sync::LazyLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds of a clock that never goes back; it starts at 1, so that 0 is always past.
pub(crate) fn monotonic() -> i64 {
    i64::try_from(START.elapsed().as_nanos()).unwrap_or(i64::MAX - 1) + 1
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
