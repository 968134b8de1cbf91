//! The component whose code a thread runs: for the report if that code ends the process, or changes
//! the host's part of it.
use std::{cell::Cell, collections::BTreeSet, sync::OnceLock};

use parking_lot::Mutex;

thread_local! {
    /// One word, which needs no initialization and no destructor: a signal handler may read it.
    static NAME: Cell<Option<&'static String>> = const { Cell::new(None) };
}

/// Called after the first code of a component that may change the process.
static AFTER: OnceLock<fn(&str)> = OnceLock::new();

/// The component at work on this thread, in words. A signal handler may ask.
pub fn current() -> Option<&'static str> {
    NAME.get().map(String::as_str)
}

/// From now on, `look` is called on the thread that has opened a component's file, configured or
/// created a component, with its name. Only the first call counts.
pub fn after_first_code(look: fn(&str)) {
    let _ = AFTER.set(look);
}

/// This thread runs code of the component until it ends.
pub(crate) fn begin(name: String) {
    NAME.set(Some(kept(name)));
}

/// Runs the first code of a component on this thread.
pub fn during<R>(name: String, first_code: impl FnOnce() -> R) -> R {
    let before = NAME.replace(Some(kept(name)));
    let result = first_code();
    look();
    NAME.set(before);
    result
}

/// The first code of the component at work has run.
pub(crate) fn look() {
    if let (Some(look), Some(name)) = (AFTER.get(), current()) {
        look(name);
    }
}

/// The name for good, because a signal may come at any moment; equal names are stored once.
fn kept(name: String) -> &'static String {
    static NAMES: Mutex<BTreeSet<&'static String>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock();
    if let Some(known) = names.get(&name) {
        return known;
    }
    let name = &*Box::leak(Box::new(name));
    names.insert(name);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_knows_the_component_whose_code_it_runs() {
        assert_eq!(current(), None);
        begin("one".into());
        assert_eq!(during("two".into(), current), Some("two"));
        assert_eq!(current(), Some("one"));
        assert_eq!(std::thread::spawn(current).join().unwrap(), None);
    }
}
