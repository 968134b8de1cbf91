//! For the tests of `gopiper verify`: the variable `FAULTS` names one of them, which then does not
//! pass, while the others do. So each fault is one that only its test can find.
#![allow(unsafe_code)]
use std::{
    env, mem, process,
    sync::{
        Mutex, Once, OnceLock, PoisonError,
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
    touch_thread();
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
    touch_process();
    if is("process::threads") {
        thread::spawn(|| {
            loop {
                thread::park();
            }
        });
    }
    if is("process::descriptors") {
        mem::forget(std::fs::File::open("/dev/null"));
    }
    Ok(())
}

/// Changes the thread that creates the factory, as no component may.
fn touch_thread() {
    if is("process::signal-mask") {
        let mut one = mem::MaybeUninit::uninit();
        // SAFETY: the set is emptied before it is used, and is a variable of this function.
        unsafe {
            libc::sigemptyset(one.as_mut_ptr());
            libc::sigaddset(one.as_mut_ptr(), libc::SIGUSR1);
            libc::pthread_sigmask(libc::SIG_BLOCK, one.as_ptr(), std::ptr::null_mut());
        }
    }
    if is("process::float-mode") {
        // Very small numbers become zero.
        #[cfg(target_arch = "x86_64")]
        let mode = 0x9f80u32;
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the variable has the ordinary mode with one bit more, and the numbers of this
        // component do not depend on it.
        unsafe {
            std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const mode, options(nostack));
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: bit 24 makes very small numbers zero, on which nothing here depends.
        unsafe {
            std::arch::asm!("msr fpcr, {}", in(reg) 1u64 << 24, options(nomem, nostack));
        }
    }
}

/// Changes the process, which others share, as no component may: once.
fn touch_process() {
    static TOUCHED: Once = Once::new();
    TOUCHED.call_once(|| {
        if is("process::working-directory") {
            env::set_current_dir("/").expect("the root is there");
        }
        // SAFETY: nothing here uses standard output, the signal, the umask or the locale. A
        // variable is set while other threads may read the environment: the fault that is to be
        // found, in a process that is there for that.
        unsafe {
            if is("process::standard-descriptors") {
                libc::close(1);
            } else if is("process::umask") {
                libc::umask(0o777);
            } else if is("process::signals") {
                libc::signal(libc::SIGTERM, libc::SIG_IGN);
            } else if is("process::environment") {
                env::set_var("FAULTS_WERE_HERE", "1");
            } else if is("process::locale") {
                libc::setlocale(libc::LC_ALL, c"C.UTF-8".as_ptr());
            } else if is("process::children") && libc::fork() == 0 {
                // Not to be found by the process group.
                libc::setsid();
                loop {
                    libc::pause();
                }
            }
        }
    });
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
        if is("process::standard-output") {
            println!("handles a message");
        } else if is("process::standard-error") {
            eprintln!("handles a message");
        }
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
                b"line 7 of a test" if is("reports::codes") => {
                    handled.report(message, Report::fail(150, "a code that is cut"));
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
