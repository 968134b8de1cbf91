//! A pipeline, from its first component to its end.
use std::{
    ffi::{CString, c_char},
    mem, ptr,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use gopiper_abi::raw::client::FactoryHandle;
use gopiper_core::{
    ComponentSpec, Control, Pipeline, PipelineOptions, Running, StopReason, Summary, loader,
};

use crate::{
    options::{OfComponent, OfPipeline},
    text,
};

/// A pipeline.
///
/// `load`, `start`, `wait`, `error` and `free` are called by one thread at a time; `stop`, `abort`,
/// `counters` and `outcomes` by any thread at any time. None of them by a signal handler: have a
/// thread wait for the signal (sigwait), and call them from there.
pub struct gopiper_pipeline {
    stage: Mutex<PipelineState>,
    /// From its start on.
    control: OnceLock<(Control, Vec<CString>)>,
    error: Mutex<CString>,
}

enum PipelineState {
    /// The components so far, and the errors so far.
    Loading(PipelineOptions, Vec<ComponentSpec>, Vec<String>),
    Running(Running),
    /// Somebody waits for it, or it did not start.
    Gone,
    /// With success, or not.
    Ended(bool),
}

/// The counts of one component so far, in messages unless noted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gopiper_counters {
    /// The component's name. It belongs to the pipeline: valid until that is freed.
    pub component: *const c_char,
    /// Came to it.
    pub received: u64,
    /// It passed on, or made itself, or (a sink) delivered.
    pub sent: u64,
    /// It dropped on purpose.
    pub dropped: u64,
    /// It failed with.
    pub failed: u64,
    /// It kept, to make something of them.
    pub kept: u64,
    /// Went back to their source, because the pipeline ended there.
    pub returned: u64,
    /// How often it was given a message again.
    pub retries: u64,
}

/// The outcomes so far of the messages that sources produced.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct gopiper_outcomes {
    /// The last component has finished all messages made from them.
    pub delivered: u64,
    /// They were dropped on purpose.
    pub dropped: u64,
    /// They failed, and are kept with the dead letters.
    pub dead_lettered: u64,
    /// They failed and were discarded.
    pub failed: u64,
    /// The pipeline ended before they were settled.
    pub returned: u64,
}

impl gopiper_pipeline {
    fn stage(&self) -> MutexGuard<'_, PipelineState> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores the error for `gopiper_pipeline_error`; `true` if there is none.
    fn tell(&self, done: Result<(), String>) -> bool {
        let text = done.as_ref().err().map(String::as_str).unwrap_or_default();
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = text::for_c(text);
        done.is_ok()
    }

    fn start(&self) -> Result<(), String> {
        let mut stage = self.stage();
        let (options, components, wrong) = match mem::replace(&mut *stage, PipelineState::Gone) {
            PipelineState::Loading(options, components, wrong) => (options, components, wrong),
            other => {
                *stage = other;
                return Err("a pipeline can be started only once".into());
            }
        };
        if !wrong.is_empty() {
            return Err(wrong.join("\n"));
        }
        let joined = |errors: Vec<_>| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            lines.join("\n")
        };
        let pipeline = Pipeline::new(components, options).map_err(joined)?;
        let mut pipelines = [pipeline];
        let errors = gopiper_core::check(&mut pipelines);
        if !errors.is_empty() {
            return Err(joined(errors.into_iter().map(|(_, error)| error).collect()));
        }
        let [pipeline] = pipelines;
        let running = pipeline.start().map_err(|error| error.to_string())?;
        let control = running.control();
        let names = control.counts().iter().map(|(name, _)| text::for_c(name)).collect();
        let _ = self.control.set((control, names));
        *stage = PipelineState::Running(running);
        Ok(())
    }

    fn wait(&self) -> Result<(), String> {
        let mut stage = self.stage();
        let running = match mem::replace(&mut *stage, PipelineState::Gone) {
            PipelineState::Running(running) => running,
            other => {
                let result = match other {
                    PipelineState::Ended(true) => Ok(()),
                    PipelineState::Ended(false) => {
                        Err("the pipeline has ended without success".into())
                    }
                    _ => Err("the pipeline is not running: start it first".into()),
                };
                *stage = other;
                return result;
            }
        };
        // Others may ask meanwhile.
        drop(stage);
        let summary = running.wait();
        *self.stage() = PipelineState::Ended(summary.is_success());
        if summary.is_success() { Ok(()) } else { Err(without_success(&summary)) }
    }

    fn control(&self) -> Option<&Control> {
        self.control.get().map(|(control, _)| control)
    }
}

/// Why a pipeline has not ended as it should, a line for each reason.
fn without_success(summary: &Summary) -> String {
    let mut lines = Vec::new();
    for reason in summary.stopped.iter().chain(&summary.ended_branches) {
        if let StopReason::Failed { component, error } = reason {
            lines.push(format!("{component} has failed: {error}"));
        }
    }
    for (component, count) in &summary.left {
        lines.push(format!("{count} messages were left at {component}"));
    }
    let mut count = |count: u64, what: &str| {
        if count > 0 {
            lines.push(format!("{count} messages {what}"));
        }
    };
    count(summary.outcomes.failed, "have failed and were discarded");
    count(summary.outcomes.returned, "went back to their source");
    count(summary.unsettled, "were never settled");
    lines.join("\n")
}

fn load(
    file: &std::path::Path,
    attributes: Result<gopiper_abi::Map, String>,
    options: Result<OfComponent, Vec<String>>,
) -> Result<ComponentSpec, Vec<String>> {
    let one = |error: String| vec![error];
    let component = loader::load(file, &loader::Trust::default())
        .map_err(|refusal| vec![refusal.to_string()])?;
    for warning in component.warnings {
        tracing::warn!("{warning}");
    }
    let about = |errors: Vec<String>| {
        errors.into_iter().map(|error| format!("{}: {error}", file.display())).collect::<Vec<_>>()
    };
    let mut factory =
        FactoryHandle::new(component.module).map_err(|error| about(one(error.to_string())))?;
    let configured = attributes.map_err(one).and_then(|attributes| {
        let configured = factory.configure(attributes);
        configured.map_err(|errors| errors.iter().map(ToString::to_string).collect())
    });
    let options = options.and_then(|options| options.into_options().map_err(one));
    match (configured, options) {
        (Ok(()), Ok(options)) => Ok(ComponentSpec { factory, options }),
        (configured, options) => {
            let wrong = [configured.err(), options.err()].into_iter().flatten().flatten();
            Err(about(wrong.collect()))
        }
    }
}

/// The pipeline behind a pointer. Any thread may have one beside others: what changes in a pipeline
/// is behind a lock.
///
/// # Safety
/// `gopiper_pipeline_new` made it, and it is not freed.
unsafe fn shared<'a>(pipeline: *const gopiper_pipeline) -> &'a gopiper_pipeline {
    const fn by_threads<T: Sync>() {}
    const { by_threads::<gopiper_pipeline>() }
    // SAFETY: the box that `gopiper_pipeline_new` made is not freed (`# Safety`), and nothing has a
    // `&mut` to its content.
    unsafe { &*pipeline }
}

/// A pipeline without components. The log and the state directory use `name`; NULL is "main".
/// `options` is a JSON object, or NULL: "state_directory" (where failed messages, and what
/// components must remember, are kept; without one failed messages are discarded),
/// "shutdown_timeout" (seconds it may drain after a request to stop), "dead_letter_limit" (bytes).
/// Errors in the options are reported by gopiper_pipeline_error, and make the start fail. Never
/// NULL. Free it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_pipeline_new(
    name: *const c_char,
    options: *const c_char,
) -> Box<gopiper_pipeline> {
    // SAFETY: both are NULL, or texts that C keeps for the call (the header).
    let (name, options) = unsafe { (text::text(name), text::text(options)) };
    let options = text::options::<OfPipeline>(options).and_then(|options| {
        let name = name.map(std::borrow::Cow::into_owned);
        options.into_options(name).map_err(|error| vec![error])
    });
    let (options, wrong) = match options {
        Ok(options) => (options, Vec::new()),
        Err(wrong) => (PipelineOptions::default(), wrong),
    };
    let error = text::for_c(&wrong.join("\n"));
    Box::new(gopiper_pipeline {
        stage: Mutex::new(PipelineState::Loading(options, Vec::new(), wrong)),
        control: OnceLock::new(),
        error: Mutex::new(error),
    })
}

/// Loads the component in `file` (a path; it is looked for nowhere else) and puts it after those
/// that there are: the source comes first, the sink last. `attributes` is a JSON object, or NULL
/// for none: `gopiper inspect --load FILE` shows the attributes. `options` is a JSON object, or
/// NULL: "name", "pool_size", "channel_size", "channel_bytes", "ordered", "partition_by",
/// "timeout", "linger", "retry" ({"max_attempts", "initial_backoff", "max_backoff"}), "on_fail"
/// ("dead_letter", "discard", "stop"), times in seconds. False if it cannot be;
/// gopiper_pipeline_error says why, and the start will fail too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_pipeline_load(
    pipeline: *mut gopiper_pipeline,
    file: *const c_char,
    attributes: *const c_char,
    options: *const c_char,
) -> bool {
    // SAFETY: `pipeline` is not freed. `file` is a text, the others are NULL or texts, and C keeps
    // them for the call (the header).
    let (pipeline, file, attributes, options) = unsafe {
        (shared(pipeline), text::path(file), text::text(attributes), text::text(options))
    };
    let mut stage = pipeline.stage();
    let PipelineState::Loading(_, components, wrong) = &mut *stage else {
        return pipeline.tell(Err("load components before the pipeline starts".into()));
    };
    let attributes = text::object(attributes, "the attributes");
    pipeline.tell(match load(file, attributes, text::options(options)) {
        Ok(component) => {
            components.push(component);
            Ok(())
        }
        Err(errors) => {
            let said = errors.join("\n");
            wrong.extend(errors);
            Err(said)
        }
    })
}

/// Starts it, on threads of its own. False if it cannot be, with all that is wrong in
/// gopiper_pipeline_error; then none of it runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_pipeline_start(pipeline: *mut gopiper_pipeline) -> bool {
    // SAFETY: `pipeline` is not freed before this returns (the header).
    let pipeline = unsafe { shared(pipeline) };
    pipeline.tell(pipeline.start())
}

/// Waits until it has ended: because its sources have, or it was stopped. True if nothing failed
/// and nothing was left; else gopiper_pipeline_error says what.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_pipeline_wait(pipeline: *mut gopiper_pipeline) -> bool {
    // SAFETY: `pipeline` is not freed before this returns (the header).
    let pipeline = unsafe { shared(pipeline) };
    pipeline.tell(pipeline.wait())
}

/// Tells it to end: the sources stop, the rest drains. Does not wait. Nothing happens before the
/// start.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_pipeline_stop(pipeline: &gopiper_pipeline) {
    if let Some(control) = pipeline.control() {
        control.stop();
    }
}

/// Ends it at once: messages that are not settled go back to their source. Does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_pipeline_abort(pipeline: &gopiper_pipeline) {
    if let Some(control) = pipeline.control() {
        control.stop();
        control.abort();
    }
}

/// Writes what each component has done so far to `counters`, in their order, for `room` of them at
/// most. Returns how many there are, 0 before the start: the loaded components, then the sink of
/// failed messages, if these are kept. With room 0 `counters` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_pipeline_counters(
    pipeline: &gopiper_pipeline,
    counters: *mut gopiper_counters,
    room: usize,
) -> usize {
    let Some((control, names)) = pipeline.control.get() else { return 0 };
    for (place, ((_, counts), name)) in control.counts().iter().zip(names).enumerate().take(room) {
        let one = gopiper_counters {
            component: name.as_ptr(),
            received: counts.received,
            sent: counts.sent,
            dropped: counts.dropped,
            failed: counts.failed,
            kept: counts.kept,
            returned: counts.returned,
            retries: counts.retries,
        };
        // SAFETY: there is room for `room` of them (the header), and `place` is less.
        unsafe { ptr::write(counters.add(place), one) }
    }
    names.len()
}

/// Returns the outcomes so far of the messages that its sources produced; all 0 before the start.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_pipeline_outcomes(
    pipeline: &gopiper_pipeline,
) -> gopiper_outcomes {
    let Some(control) = pipeline.control() else { return Default::default() };
    let counts = control.outcomes();
    gopiper_outcomes {
        delivered: counts.delivered,
        dropped: counts.dropped,
        dead_lettered: counts.dead_lettered,
        failed: counts.failed,
        returned: counts.returned,
    }
}

/// Why the last call of new, load, start or wait has failed; empty if it has not. The pipeline's:
/// valid until the next of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_pipeline_error(pipeline: &gopiper_pipeline) -> *const c_char {
    pipeline.error.lock().unwrap_or_else(PoisonError::into_inner).as_ptr()
}

/// Frees it. If it runs still it is ended at once, which may take a second or two. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gopiper_pipeline_free(pipeline: Option<Box<gopiper_pipeline>>) {
    let Some(pipeline) = pipeline else { return };
    if let PipelineState::Running(running) =
        mem::replace(&mut *pipeline.stage(), PipelineState::Gone)
    {
        running.stop();
        running.control().abort();
        running.wait();
    }
}
