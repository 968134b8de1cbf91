//! `gopiper run`.
mod options;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use gopiper_core::{
    Pipeline, PipelineError, Prepared, Running, StopReason, Summary, loader::for_shell, plural,
    state,
};
use gopiper_lua::{Loaded, Problem, Settings, Severity, unreadable};
use tracing::{error, info, warn};

pub(crate) use self::options::RunArguments;
use crate::command::{
    arguments::PipelineArguments,
    http::{HttpArguments, Served},
    otlp::OtlpArguments,
    process::exit::{self, refuse},
    process::signals::Stops,
    state_directory::DefaultState,
    terminal::drawing::{self, GraphFormat},
    terminal::logging::LogFormat,
    terminal::output::print,
    terminal::problems::{show, show_all, show_always},
};

/// Runs the pipelines of a file until they have ended.
pub(crate) fn run(
    arguments: &RunArguments,
    http: &HttpArguments,
    otlp: &OtlpArguments,
) -> ExitCode {
    // First, so that a signal that arrives while the file is read is not lost, and does not end the
    // program.
    let stops = match Stops::listen() {
        Ok(stops) => stops,
        Err(error) => return refuse(&error),
    };
    // Kept until the end: dropping it removes the file of the control socket.
    let served = Served::new(&arguments.pipeline, Some(arguments.as_words()));
    let server = match http.serve(served, &stops) {
        Ok(server) => server,
        Err(error) => return refuse(&error),
    };
    server.announce();
    // Kept until the end: dropping it sends the rest.
    let _exporter = match otlp.start(&stops) {
        Ok(exporter) => exporter,
        Err(error) => return refuse(&error),
    };
    let loaded = match load(arguments, ("run", true)) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    for (pipeline, warning) in gopiper_core::left_in_buffers(&loaded.pipelines) {
        show(&loaded.places.problem(&pipeline, &warning));
    }
    let outcome = drive(loaded, &arguments.pipeline, &stops);
    // Otherwise a signal would be treated like one while pipelines start.
    stops.over();
    match outcome {
        DriveOutcome::Ended { code, .. } | DriveOutcome::Refused(code) => code,
    }
}

/// Does what `run` does, up to the start.
pub(crate) fn check(arguments: &RunArguments, deny_warnings: bool, format: LogFormat) -> ExitCode {
    let show = if deny_warnings { show_always } else { show };
    let mut loaded = match load_showing(arguments, ("check", false), show) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    if let Err(code) = check_all(&mut loaded) {
        return code;
    }
    let mut warnings = gopiper_core::warnings(&mut loaded.pipelines);
    warnings.extend(gopiper_core::left_in_buffers(&loaded.pipelines));
    let placed = warnings.iter().map(|(pipeline, text)| loaded.places.problem(pipeline, text));
    show_all(&placed.collect::<Vec<_>>(), show);
    loaded.pipelines.iter_mut().for_each(|pipeline| drawing::show_promises(pipeline, format));
    match loaded.warnings.len() + warnings.len() {
        count if count == 0 || !deny_warnings => ExitCode::SUCCESS,
        1 => refuse(&"1 warning is an error (--deny-warnings)"),
        many => refuse(&format_args!("{many} warnings are errors (--deny-warnings)")),
    }
}

/// Draws the pipelines of a file.
pub(crate) fn draw(arguments: &RunArguments, format: GraphFormat) -> ExitCode {
    match load(arguments, ("graph", false)) {
        Ok(loaded) => {
            print(drawing::draw(&loaded.pipelines, format).trim_end());
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

/// Asks every component whether it could work.
fn check_all(loaded: &mut Loaded) -> Result<(), ExitCode> {
    let problems = gopiper_core::check(&mut loaded.pipelines);
    let placed = problems.iter().map(|(pipeline, error)| loaded.places.problem(pipeline, error));
    show_all(&placed.collect::<Vec<_>>(), show);
    if problems.is_empty() { Ok(()) } else { Err(ExitCode::from(exit::CONFIGURATION)) }
}

/// Loads a file for a command, and shows all its errors. `to_run`: moves the state of an older
/// gopiper.
pub(crate) fn load(
    arguments: &RunArguments,
    (command, to_run): (&str, bool),
) -> Result<Loaded, ExitCode> {
    load_showing(arguments, (command, to_run), show)
}

fn load_showing(
    arguments: &RunArguments,
    (command, to_run): (&str, bool),
    show: fn(&Problem),
) -> Result<Loaded, ExitCode> {
    let PipelineArguments { file, state_dir } = &arguments.pipeline;
    let (state_directory, unusable) = match state_dir {
        Some(directory) => (Some(directory.clone()), None),
        None => default_state(file, to_run).map_err(|error| refuse(&error))?,
    };
    unusable.iter().for_each(show);
    let settings = Settings {
        component_path: arguments.search.component_path.clone(),
        state_directory,
        trust: arguments.trust.trust()?,
        load_in_place: arguments.load_in_place,
        shutdown_timeout: Some(Duration::from_secs(arguments.shutdown_timeout.into())),
        paths_from_working_directory: arguments.paths_from_working_directory,
        seed: arguments.seed,
    };
    let loaded = gopiper_lua::load(file, &settings).map_err(|error| {
        let text = unreadable(file, &error, command);
        show(&Problem::without_place(Severity::Error, text));
        ExitCode::from(exit::CONFIGURATION)
    })?;
    let mut loaded = loaded.map_err(|problems| {
        show_all(&problems, show);
        ExitCode::from(exit::CONFIGURATION)
    })?;
    show_all(&loaded.warnings, show);
    loaded.warnings.extend(unusable);
    Ok(loaded)
}

/// The default state directory; none, with a warning, if it cannot be used: the operator has not
/// asked for it. One of another version holds state that this run would ignore: it is refused like
/// one that was asked for, as soon as something needs it.
fn default_state(file: &Path, to_run: bool) -> Result<(Option<PathBuf>, Option<Problem>), String> {
    let Some(default) = DefaultState::of(file) else { return Ok((None, None)) };
    let directory = if to_run { default.take_over()? } else { default.current() };
    match state::check(&directory, Path::new("")) {
        Err(error) if !state::is_of_another_version(&directory) => {
            let text = format!("{error}; failed messages are only counted");
            Ok((None, Some(Problem::without_place(Severity::Warning, text))))
        }
        _ => Ok((Some(directory), None)),
    }
}

/// The result of a run.
pub(crate) enum DriveOutcome {
    /// They ran, and have ended.
    Ended { summaries: Vec<Summary>, code: ExitCode },
    /// They could not start.
    Refused(ExitCode),
}

/// Runs pipelines until they have ended.
pub(crate) fn drive(
    mut loaded: Loaded,
    arguments: &PipelineArguments,
    stops: &Stops,
) -> DriveOutcome {
    if let Err(code) = check_all(&mut loaded) {
        return DriveOutcome::Refused(code);
    }
    let ends = |pipeline: &mut Pipeline| (pipeline.name().to_owned(), PipelineEnd::of(pipeline));
    let ends: HashMap<_, _> = loaded.pipelines.iter_mut().map(ends).collect();
    match start_all(loaded.pipelines, stops) {
        Ok(None) => {
            info!("stopped before everything had started");
            DriveOutcome::Ended { summaries: Vec::new(), code: ExitCode::SUCCESS }
        }
        Ok(Some(summaries)) => {
            let is_well = |of: &&Summary| report(of, &ends[&of.pipeline], arguments);
            let failures = summaries.len() - summaries.iter().filter(is_well).count();
            let code = if failures == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) };
            DriveOutcome::Ended { summaries, code }
        }
        Err((pipeline, error)) => {
            show(&loaded.places.problem(&pipeline, &error));
            DriveOutcome::Refused(ExitCode::from(exit::CONFIGURATION))
        }
    }
}

/// Starts the pipelines, all or none, and waits for all of them. An error has its pipeline's name.
/// `None` if a signal came before all had started: nothing was read then.
fn start_all(
    pipelines: Vec<Pipeline>,
    stops: &Stops,
) -> Result<Option<Vec<Summary>>, (String, PipelineError)> {
    let mut prepared = Vec::new();
    for pipeline in pipelines {
        let name = pipeline.name().to_owned();
        prepared.push(pipeline.prepare().map_err(|error| (name, error))?);
    }
    stops.set(prepared.iter().map(Prepared::control).collect());
    let mut running = Vec::new();
    for pipeline in prepared {
        let name = pipeline.control().name().to_owned();
        match pipeline.start_held() {
            Ok(pipeline) => running.push(pipeline),
            Err(error) => {
                // Their sources are still held: stopped like that, they produce nothing.
                for pipeline in running {
                    pipeline.stop();
                    pipeline.wait();
                }
                let was_stopped = stops.is_stopping();
                stops.clear();
                return if was_stopped { Ok(None) } else { Err((name, error)) };
            }
        }
    }
    stops.started();
    running.iter_mut().for_each(Running::release);
    let summaries = running.into_iter().map(Running::wait).collect();
    stops.clear();
    Ok(Some(summaries))
}

/// The fate of the messages of a pipeline that do not reach its sinks.
struct PipelineEnd {
    /// The operator's own sink for failed messages.
    dead_letter: Option<String>,
    /// The sources that send messages again that were left unprocessed, and those that do not.
    resending: Vec<String>,
    forgetting: Vec<String>,
}

impl PipelineEnd {
    fn of(pipeline: &mut Pipeline) -> Self {
        let (resending, forgetting): (Vec<_>, Vec<_>) =
            pipeline.sources().into_iter().partition(|(_, resends)| *resends);
        let names = |sources: Vec<(String, bool)>| sources.into_iter().map(|(name, _)| name);
        PipelineEnd {
            dead_letter: pipeline.dead_letter().map(str::to_owned),
            resending: names(resending).collect(),
            forgetting: names(forgetting).collect(),
        }
    }

    /// The fate of messages that were left unprocessed.
    fn of_unprocessed(&self, messages: u64) -> String {
        let (again, lost) = (self.resending.join(", "), self.forgetting.join(", "));
        let (they_are, them) = if messages == 1 { ("it is", "it") } else { ("they are", "them") };
        match (again.is_empty(), lost.is_empty()) {
            (_, true) => format!("{again} will send {them} again in the next run"),
            (true, _) => format!("{they_are} lost, because {lost} cannot send {them} again"),
            _ => {
                format!("those of {again} will come again in the next run, any of {lost} are lost")
            }
        }
    }
}

/// Reports how a pipeline has ended. Returns whether it was a success.
fn report(summary: &Summary, ends: &PipelineEnd, arguments: &PipelineArguments) -> bool {
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
        error!(pipeline, component, messages, code = "left_unprocessed", "left unprocessed");
    }
    for reason in summary.stopped.iter().chain(&summary.ended_branches) {
        match reason {
            // Reported when it happened.
            StopReason::Failed { .. } => {}
            StopReason::Finished { component } => {
                info!(pipeline, component, "needs no more messages")
            }
            StopReason::Requested => info!(pipeline, "stopped"),
        }
    }
    report_outcomes(summary, ends, arguments);
    summary.is_success()
}

/// Reports the messages that were not delivered.
fn report_outcomes(summary: &Summary, ends: &PipelineEnd, arguments: &PipelineArguments) {
    let (pipeline, outcomes) = (summary.pipeline.as_str(), &summary.outcomes);
    if outcomes.dead_lettered > 0 {
        let messages = outcomes.dead_lettered;
        let (failed, _) = in_words(messages);
        match &ends.dead_letter {
            Some(component) => {
                warn!(
                    pipeline,
                    messages,
                    code = "failed_messages",
                    "{failed} failed and went to {component} (dead_letter)"
                );
            }
            None => {
                let see = see_dead_letters(arguments);
                let became = if messages == 1 { "a dead letter" } else { "dead letters" };
                warn!(
                    pipeline,
                    messages,
                    code = "failed_messages",
                    "{failed} failed and became {became} (list: {see})"
                );
            }
        }
    }
    if outcomes.failed > 0 {
        let messages = outcomes.failed;
        let (failed, were) = in_words(messages);
        error!(
            pipeline,
            messages,
            code = "failed_messages",
            "{failed} failed and {were} discarded"
        );
    }
    if !summary.is_finished() && outcomes.returned + summary.unsettled > 0 {
        let messages = outcomes.returned + summary.unsettled;
        let (left, were) = in_words(messages);
        let fate = ends.of_unprocessed(messages);
        error!(
            pipeline,
            messages,
            code = "left_unprocessed",
            "{left} {were} left unprocessed: {fate}"
        );
    }
}

/// A number of messages, and the verb for it: `1 message` and `was`.
fn in_words(messages: u64) -> (String, &'static str) {
    (plural(messages as usize, "message"), if messages == 1 { "was" } else { "were" })
}

/// The command that lists the dead letters of this run.
fn see_dead_letters(PipelineArguments { file, state_dir }: &PipelineArguments) -> String {
    let file = for_shell(file);
    match state_dir {
        Some(directory) => format!("gopiper dlq list --state-dir {} {file}", for_shell(directory)),
        None => format!("gopiper dlq list {file}"),
    }
}
