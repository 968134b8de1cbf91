//! For the tests of `gopiper verify`: the variable `FAULTS` names one of them, which then does not
//! pass, while the others do. So each fault is one that only its test can find.
use std::{
    env, mem, process,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use gopiper_abi::{
    Deferred, Error, HandledCallback, Kept, Message, Postponed, Report, schemars::Schema,
};

/// Whether this test is the one.
pub(crate) fn is(test: &str) -> bool {
    static NAMED: OnceLock<String> = OnceLock::new();
    NAMED.get_or_init(|| env::var("FAULTS").unwrap_or_default()) == test
}

/// The schema of the attributes.
pub(crate) fn schema(schema: &mut Schema) {
    if is("attributes::described") {
        schema.remove("description");
    }
    if is("attributes::missing") {
        schema.insert("required".into(), ["text"].as_slice().into());
    }
    if is("attributes::wrong-type") {
        let text = schema.pointer_mut("/properties/text/type");
        *text.expect("an attribute 'text'") = "integer".into();
    }
}

/// When the factory is made.
pub(crate) fn at_new(text: &str, unknown: Option<i64>) -> Result<(), Error> {
    static BUSY: Mutex<()> = Mutex::new(());
    if unknown.is_some() && !is("attributes::unknown") {
        return Err(Error::attribute("verify_unknown", "does not exist"));
    }
    if is("attributes::huge") && text.len() > 100_000 {
        panic!("too long");
    }
    if is("fuzz::attributes") && text.contains('€') {
        panic!("no money");
    }
    if is("life::from-many-threads") {
        let alone = BUSY.try_lock().map_err(|_| Error::new("another one is being made"))?;
        thread::sleep(Duration::from_millis(1));
        drop(alone);
    }
    Ok(())
}

/// When a component is made.
pub(crate) fn at_create() -> Result<(), Error> {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    if is("life::create-many") && MADE.fetch_add(1, SeqCst) > 30 {
        return Err(Error::new("there are too many"));
    }
    if is("life::threads-left") {
        thread::spawn(|| {
            loop {
                thread::park();
            }
        });
    }
    if is("life::files-left-open") {
        mem::forget(std::fs::File::open("/dev/null"));
    }
    Ok(())
}

/// The state of one component.
#[derive(Default)]
pub(crate) struct Breaks {
    pub(crate) batch: usize,
    seen: usize,
    kept: Option<Kept>,
}

impl Breaks {
    /// The remaining work on a message, if there is any.
    pub(crate) fn handle<'h>(
        &mut self,
        message: Message,
        handled: HandledCallback<'h>,
        postponed: &Postponed,
    ) -> Option<(Message, HandledCallback<'h>)> {
        static LATE: Mutex<Vec<(Deferred, Message)>> = Mutex::new(Vec::new());
        self.seen += 1;
        self.panic_at(&message);
        let data = message.data();
        if is("messages::batches") && self.batch > 100 {
            handled.discard(message);
            return None;
        } else if is("messages::leaked") && data.starts_with(b"line") && data.len() < 10 {
            mem::forget(message.duplicate());
        } else if is("messages::memory") && data.starts_with(b"line") && data.len() > 100 {
            std::hint::black_box(Box::leak(Box::new([1u8; 100])));
        } else if is("messages::order") {
            match message.attribute("verify_number").and_then(|it| it.as_i64()) {
                Some(1000) => {
                    self.kept = Some(handled.keep(message));
                    return None;
                }
                Some(1010) => {
                    let (kept, settles) = self.kept.take()?.split();
                    let _ = postponed.send_from(settles, [kept]);
                }
                _ => {}
            }
        } else if message.attribute("verify_number").is_none() {
            match data {
                b"line 7 of a test" if is("reports::reserved-status") => {
                    handled.report(message, Report::new(50, "a reserved status"));
                    return None;
                }
                b"line 7 of a test" if is("reports::described") => {
                    handled.report(message, Report::fail(4, ""));
                    return None;
                }
                b"line 7 of a test" if is("reports::retry-ends") => {
                    handled.report(message, Report::retry(4, "forever"));
                    return None;
                }
                b"line 7 of a test" if is("reports::continue-emits") => {
                    drop(handled.keep(message));
                    return None;
                }
                b"line 7 of a test" if is("reports::panics") => panic!("at line 7"),
                b"line 50 of a test" if is("reports::once") => return None,
                b"line 100 of a test" if is("reports::kept-at-end") => {
                    mem::forget(handled.keep(message));
                    return None;
                }
                b"line 1500 of a test" if is("reports::late") => {
                    let late = (handled.defer(), message);
                    LATE.lock().unwrap_or_else(PoisonError::into_inner).push(late);
                    return None;
                }
                _ => {}
            }
        }
        Some((message, handled))
    }

    fn panic_at(&self, message: &Message) {
        let data = message.data();
        let is_text = std::str::from_utf8(data).is_ok();
        let is_first = self.seen == 1;
        let value = message.attribute("value");
        let attributes = message.attributes().len();
        let panics = is("messages::empty") && is_first && data.is_empty() && attributes == 0
            || is("messages::large") && data.len() > 1 << 25
            || is("messages::invalid-utf8") && data.len() == 4 && data[0] == b'a' && !is_text
            || is("messages::every-value")
                && value.and_then(|it| it.as_f64()).is_some_and(f64::is_nan)
            || is("messages::unknown-tag") && value.is_some_and(|it| it.tag().0 >= 1000)
            || is("messages::many-attributes") && attributes > 1000
            || is("fuzz::messages") && data.len() > 10 && !is_text;
        assert!(!panics, "it does not support this one");
    }

    pub(crate) fn at_end(&mut self, postponed: &Postponed) -> Result<(), Error> {
        if is("life::end-without-messages") && self.seen == 0 {
            return Err(Error::new("nothing has come"));
        }
        // Few have arrived in a test that stops it, many in one that ends it at once.
        let (is_stopping, many) = (postponed.host().is_stopping(), self.seen > 20);
        if is("life::aborted") && is_stopping && many {
            process::abort();
        }
        while is("life::stop") && is_stopping && !many {
            thread::park();
        }
        Ok(())
    }
}
