//! The fence around every entry of a component: no panic crosses the boundary.
use std::{
    cell::{Cell, RefCell},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

/// The text of a panic, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked(String);

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.0)
    }
}

thread_local! {
    static FENCED: Cell<usize> = const { Cell::new(0) };
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Calls `f`; a panic in it comes back as words.
#[inline]
pub fn fence<T>(f: impl FnOnce() -> T) -> Result<T, Panicked> {
    FENCED.set(FENCED.get() + 1);
    // State that `f` leaves half-done belongs to its component, which is recreated after a panic.
    let result = catch_unwind(AssertUnwindSafe(f));
    FENCED.set(FENCED.get() - 1);
    result.map_err(|payload| {
        // Dropping a payload may panic again, unless it is what `panic!` makes.
        if !payload.is::<&'static str>() && !payload.is::<String>() {
            std::mem::forget(payload);
        }
        Panicked(SAID.take().unwrap_or_else(|| "without a message".into()))
    })
}

/// Makes panics inside a fence speak through the report alone, once for this library; outside of
/// one (a thread of the author's own) whatever hook there was is called.
pub(in crate::raw) fn catch_panic_messages() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if FENCED.get() == 0 {
                return before(info);
            }
            let payload = info.payload();
            let text = match payload.downcast_ref::<&'static str>() {
                Some(text) => text,
                None => payload.downcast_ref::<String>().map_or("(not a text)", String::as_str),
            };
            SAID.set(Some(match info.location() {
                Some(place) => format!("{text} ({}:{})", place.file(), place.line()),
                None => text.to_owned(),
            }));
        }));
    });
}
