//! `gopiper run`.
use std::{
    collections::HashMap,
    env,
    path::{Path, PathBuf},
    process::{self, ExitCode},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use clap::Args;
use gopiper_core::{Control, Pipeline, PipelineError, StopReason, Summary, state};
use gopiper_lua::{Loaded, Settings};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use tracing::{error, info, warn};

use crate::{
    exit::{self, refuse},
    graph::{self, GraphFormat},
    logging::{LogFormat, show},
    output::print,
    trust::TrustArguments,
};

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The file that says what the pipelines are made of.
    #[arg(default_value = "pipeline.lua", env = "GOPIPER_PIPELINE")]
    pub(crate) file: PathBuf,
    /// More directories to look for components in, separated by colons.
    #[arg(long, env = "GOPIPER_COMPONENT_PATH", value_delimiter = ':', value_name = "DIRS")]
    pub(crate) component_path: Vec<PathBuf>,
    /// Where components keep what they must remember [default: $XDG_STATE_HOME/gopiper/NAME].
    #[arg(long, env = "GOPIPER_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Seconds that the pipelines may take to drain after the first signal; what is left then is
    /// reported, and not processed.
    #[arg(long, env = "GOPIPER_SHUTDOWN_TIMEOUT", value_name = "SECONDS", default_value_t = 60)]
    pub(crate) shutdown_timeout: u32,
    /// What chance in Lua (math.random) begins from: with the same number it is the same in each run.
    #[arg(long, env = "GOPIPER_SEED", value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

/// Runs the pipelines of a file until they have ended.
pub(crate) fn run(arguments: &RunArguments) -> ExitCode {
    match load(arguments).map(|loaded| drive(loaded, arguments)) {
        Ok(Outcome::Ended { code, .. } | Outcome::Refused(code)) | Err(code) => code,
    }
}

/// Goes the way that `run` goes, up to starting.
pub(crate) fn check(arguments: &RunArguments, deny_warnings: bool, format: LogFormat) -> ExitCode {
    let mut loaded = match load(arguments) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    if let Err(code) = check_all(&mut loaded) {
        return code;
    }
    loaded.pipelines.iter_mut().for_each(|pipeline| graph::show_promises(pipeline, format));
    match deny_warnings && !loaded.warnings.is_empty() {
        true => ExitCode::from(exit::CONFIGURATION),
        false => ExitCode::SUCCESS,
    }
}

/// Draws the pipelines of a file.
pub(crate) fn draw(arguments: &RunArguments, format: GraphFormat) -> ExitCode {
    match load(arguments) {
        Ok(loaded) => {
            print(graph::draw(&loaded.pipelines, format).trim_end());
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

/// Asks every component whether it could work.
fn check_all(loaded: &mut Loaded) -> Result<(), ExitCode> {
    let problems = gopiper_core::check(&mut loaded.pipelines);
    for (pipeline, error) in &problems {
        show(&loaded.places.problem(pipeline, error));
    }
    if problems.is_empty() { Ok(()) } else { Err(ExitCode::from(exit::CONFIGURATION)) }
}

/// What a file makes; all that is wrong with it is shown.
pub(crate) fn load(arguments: &RunArguments) -> Result<Loaded, ExitCode> {
    // Nobody has asked for this one: what can't be used need not be.
    let default = || {
        let directory = default_state_directory(&arguments.file)?;
        let usable = state::check(&directory, Path::new(""));
        usable.inspect_err(|error| warn!("{error}; what fails is only counted")).ok()?;
        Some(directory)
    };
    let settings = Settings {
        component_path: arguments.component_path.clone(),
        state_directory: arguments.state_dir.clone().or_else(default),
        trust: arguments.trust.trust()?,
        shutdown_timeout: Some(Duration::from_secs(arguments.shutdown_timeout.into())),
        seed: arguments.seed,
    };
    let loaded = gopiper_lua::load(&arguments.file, &settings).map_err(|problems| {
        problems.iter().for_each(show);
        ExitCode::from(exit::CONFIGURATION)
    })?;
    loaded.warnings.iter().for_each(show);
    Ok(loaded)
}

/// How it went.
pub(crate) enum Outcome {
    /// They ran, and have ended.
    Ended { summaries: Vec<Summary>, code: ExitCode },
    /// They could not start.
    Refused(ExitCode),
}

/// Runs pipelines until they have ended.
pub(crate) fn drive(mut loaded: Loaded, arguments: &RunArguments) -> Outcome {
    if let Err(code) = check_all(&mut loaded) {
        return Outcome::Refused(code);
    }
    let signals = match Signals::new([SIGINT, SIGTERM]) {
        Ok(signals) => signals,
        Err(error) => return Outcome::Refused(refuse(&error)),
    };
    let own = |pipeline: &Pipeline| {
        Some((pipeline.name().to_owned(), pipeline.dead_letter()?.to_owned()))
    };
    let own: HashMap<_, _> = loaded.pipelines.iter().filter_map(own).collect();
    match start_all(loaded.pipelines, signals) {
        Ok(summaries) => {
            let is_well = |of: &&Summary| report(of, own.get(&of.pipeline), arguments);
            let failures = summaries.len() - summaries.iter().filter(is_well).count();
            let code = if failures == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) };
            Outcome::Ended { summaries, code }
        }
        Err((pipeline, error)) => {
            show(&loaded.places.problem(&pipeline, &error));
            Outcome::Refused(ExitCode::from(exit::CONFIGURATION))
        }
    }
}

/// The pipelines that signals stop.
type Controls = Arc<Mutex<Vec<Control>>>;

/// Starts the pipelines, all or none, and waits for all of them. An error has its pipeline's name.
fn start_all(
    pipelines: Vec<Pipeline>,
    signals: Signals,
) -> Result<Vec<Summary>, (String, PipelineError)> {
    let controls = Controls::default();
    let (watcher, watched) = (thread::Builder::new().name("signals".into()), controls.clone());
    if let Err(error) = watcher.spawn(move || watch(signals, &watched)) {
        warn!("signals will end the program at once: {error}");
    }
    let mut running = Vec::new();
    for pipeline in pipelines {
        let name = pipeline.name().to_owned();
        match pipeline.start_held() {
            Ok(pipeline) => running.push(pipeline),
            Err(error) => {
                // Their sources are still held: stopped like that, they produce nothing.
                for pipeline in running {
                    pipeline.stop();
                    pipeline.wait();
                }
                return Err((name, error));
            }
        }
    }
    *lock(&controls) = running.iter().map(|pipeline| pipeline.control()).collect();
    running.iter_mut().for_each(|pipeline| pipeline.release());
    Ok(running.into_iter().map(|pipeline| pipeline.wait()).collect())
}

fn lock(controls: &Controls) -> MutexGuard<'_, Vec<Control>> {
    controls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first signal drains, the second one ends the pipelines at once, and a third one the program.
/// A signal that comes before all has started ends the program too.
fn watch(mut signals: Signals, controls: &Controls) {
    let mut pending = signals.forever();
    if pending.next().is_none() {
        return;
    }
    let started = lock(controls).clone();
    if started.is_empty() {
        error!("stopped before everything had started");
        process::exit(i32::from(exit::FAILED));
    }
    warn!("stopping: the sources stop, the rest drains; a second signal ends at once");
    // On a thread of its own: what components do when they are stopped must not keep the second
    // signal from being heard.
    let stopping = started.clone();
    thread::spawn(move || stopping.iter().for_each(Control::stop));
    if pending.next().is_none() {
        return;
    }
    warn!("ending at once: what is left goes back to where it came from");
    thread::spawn(move || started.iter().for_each(Control::abort));
    if pending.next().is_none() {
        return;
    }
    process::exit(i32::from(exit::FAILED));
}

/// Says how a pipeline has ended; whether that was well. `dead_letter` is the operator's own sink of what has
/// failed.
fn report(summary: &Summary, dead_letter: Option<&String>, arguments: &RunArguments) -> bool {
    let pipeline = summary.pipeline.as_str();
    for (component, counts) in &summary.components {
        info!(
            pipeline,
            component,
            received = counts.received,
            sent = counts.sent,
            dropped = counts.dropped,
            failed = counts.failed,
            kept = counts.kept,
            unsent = counts.unsent,
            returned = counts.returned,
            retries = counts.retries,
            panics = counts.panics,
            abandoned = counts.abandoned,
            late = counts.late,
            missed = counts.missed,
            "component finished"
        );
    }
    for (component, messages) in &summary.left {
        error!(pipeline, component, messages, "left unprocessed");
    }
    for reason in summary.stopped.iter().chain(&summary.ended_branches) {
        match reason {
            // Said when it happened.
            StopReason::Failed { .. } => {}
            StopReason::Finished { component } => info!(pipeline, component, "wants no more"),
            StopReason::Requested => info!(pipeline, "stopped"),
        }
    }
    if summary.outcomes.dead_lettered > 0 {
        let messages = summary.outcomes.dead_lettered;
        match dead_letter {
            Some(component) => {
                warn!(pipeline, messages, "messages failed, and went to {component} (dead_letter)");
            }
            None => {
                let see = see_dead_letters(arguments);
                warn!(pipeline, messages, "messages failed, and are dead letters: see {see}");
            }
        }
    }
    if summary.outcomes.failed > 0 {
        error!(pipeline, messages = summary.outcomes.failed, "messages failed, and were discarded");
    }
    if !summary.is_finished() && summary.outcomes.returned + summary.unsettled > 0 {
        let messages = summary.outcomes.returned + summary.unsettled;
        error!(pipeline, messages, "messages were left unprocessed");
    }
    summary.is_success()
}

/// The command that lists the dead letters of this run.
fn see_dead_letters(arguments: &RunArguments) -> String {
    let file = arguments.file.display();
    match &arguments.state_dir {
        Some(directory) => format!("gopiper dlq list --state-dir {} {file}", directory.display()),
        None => format!("gopiper dlq list {file}"),
    }
}

/// Under the name of the Lua file, in XDG's state folder.
pub(crate) fn default_state_directory(file: &Path) -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(home)?;
    Some(state.join("gopiper").join(file.file_stem()?))
}
