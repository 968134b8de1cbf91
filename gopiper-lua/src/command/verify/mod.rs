//! `gopiper verify`: checks whether a component's file can be loaded, and tests whether it behaves.
//!
//! A file for each topic has a static list of tests. `bench.rs` puts the component into a real
//! pipeline between a source and a sink of the program's own (`around.rs`), so the real scheduler
//! calls it. The program starts itself once for each test (`child.rs`, with a hidden `--result`): a
//! crash or a hang is that test's. The gates are judged in the program itself; a test loads no file
//! but the one with the digest that was judged (`Trust::only`).
mod around;
mod attributes;
mod bench;
mod child;
mod fuzz;
mod gates;
mod life;
mod messages;
mod reports;
mod sources;
mod subject;
mod test;
mod verdict;

use std::{
    fs,
    path::PathBuf,
    process::ExitCode,
    sync::{
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use clap::Args;
use gopiper_abi::Map;
use gopiper_core::loader::{self, Inspection, Refusal, Seal, Trust};
use serde_json::{Value as Json, json};

use crate::command::{
    exit::{self, refuse},
    output::{print, say},
    trust::TrustArguments,
};
use subject::{REFUSES, Subject, value};
use test::Test;
use verdict::Verdict;

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The component's file.
    file: PathBuf,
    /// First put a digest into the file, so that damage is detected.
    #[arg(long)]
    seal: bool,
    /// The component's attributes: a JSON object, or @FILE with one.
    #[arg(long, value_name = "JSON")]
    attributes: Option<String>,
    /// Run only tests whose names contain this; may be repeated.
    #[arg(long, value_name = "PART")]
    include: Vec<String>,
    /// Skip tests whose names contain this; may be repeated.
    #[arg(long, value_name = "PART")]
    exclude: Vec<String>,
    /// Show only tests that failed or crashed.
    #[arg(long)]
    only_failed: bool,
    /// Write a JSON object for each test.
    #[arg(long)]
    json: bool,
    /// Print the names of the tests, and run none.
    #[arg(long)]
    list: bool,
    /// Run the tests in this process, one after another: for a debugger.
    #[arg(long)]
    in_process: bool,
    /// How many tests run at once [default: the number of processors].
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,
    /// The time limit of a test, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Seconds without progress after which a pipeline counts as stuck.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    patience: f64,
    /// The seed of random attributes and messages [default: random]. A test that fails shows the
    /// command that repeats it.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// The file for the verdict of the one test.
    #[arg(long, hide = true)]
    result: Option<PathBuf>,
    /// The digest of the file that passed the gates: no other file is loaded.
    #[arg(long, hide = true, value_parser = digest)]
    only: Option<[u8; 32]>,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

/// All tests, in the order in which they are shown.
fn all() -> impl Iterator<Item = &'static Test> {
    [
        gates::TESTS,
        attributes::TESTS,
        life::TESTS,
        messages::TESTS,
        reports::TESTS,
        sources::TESTS,
        fuzz::TESTS,
    ]
    .into_iter()
    .flatten()
}

/// Takes the file through all gates, then runs the tests.
pub(crate) fn verify(arguments: &VerifyArguments, trust: &Trust) -> Result<ExitCode, Refusal> {
    if arguments.list {
        all().for_each(|test| print(test.name));
        return Ok(ExitCode::SUCCESS);
    }
    let given = match given(arguments.attributes.as_deref()) {
        Ok(attributes) => attributes,
        Err(error) => return Ok(refuse(&error)),
    };
    let Ok(patience) = Duration::try_from_secs_f64(arguments.patience) else {
        return Ok(refuse(&"--patience: a number of seconds, 0 or more"));
    };
    if arguments.seal {
        loader::seal(&arguments.file)?;
    }
    let component =
        loader::load(&arguments.file, &Trust { only: arguments.only, ..trust.clone() })?;
    let inspection = component.inspection;
    let subject = Subject {
        module: component.module,
        kind: inspection.kind,
        seal: inspection.seal,
        digest: inspection.digest,
        attributes: given,
        patience,
        seed: arguments.seed.unwrap_or_else(|| fastrand::u64(..)),
    };
    if let Some(result) = &arguments.result {
        let test = all().find(|test| arguments.include.iter().any(|name| name == test.name));
        let verdict = test.map(|test| Verdict::of((test.run)(&subject)));
        let written = fs::write(result, json!(verdict).to_string());
        return Ok(written.map_or_else(|error| refuse(&error), |()| ExitCode::SUCCESS));
    }
    let warnings = component.warnings.iter().chain(&inspection.hazards);
    warnings.for_each(|warning| say(format_args!("warning: {warning}")));
    let is_in = |list: &[String], test: &Test| list.iter().any(|part| test.name.contains(part));
    let chosen: Vec<_> = all()
        .filter(|test| arguments.include.is_empty() || is_in(&arguments.include, test))
        .filter(|test| !is_in(&arguments.exclude, test))
        .collect();
    if chosen.is_empty() {
        let names = arguments.include.join("' or '");
        let what = if names.is_empty() { "is left".into() } else { format!("matches '{names}'") };
        say(format_args!(
            "gopiper: no test {what}; list them with: gopiper verify --list {}",
            arguments.file.display()
        ));
        return Ok(ExitCode::from(exit::USAGE));
    }
    let verdicts = run(&chosen, &subject, arguments);
    summarize(&verdicts, arguments);
    if !arguments.json {
        print(format_args!("{}: {}", arguments.file.display(), in_a_line(&inspection)));
    }
    let failed = verdicts.iter().any(Verdict::is_failure);
    Ok(if failed { ExitCode::from(exit::FAILED) } else { ExitCode::SUCCESS })
}

/// Runs the tests, and shows each in its turn.
fn run(tests: &[&'static Test], subject: &Subject, arguments: &VerifyArguments) -> Vec<Verdict> {
    let one = |test: &Test| match test.name.starts_with("gates::") {
        true => Verdict::of((test.run)(subject)),
        false if arguments.in_process => in_process(test, subject),
        false => child::run(test, arguments, subject),
    };
    let processors = || thread::available_parallelism().map_or(1, Into::into);
    let jobs = if arguments.in_process { 1 } else { arguments.jobs.unwrap_or_else(processors) };
    let mut verdicts: Vec<Option<Verdict>> = vec![None; tests.len()];
    let (next, mut shown) = (AtomicUsize::new(0), 0);
    let (tell, hear) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, tests.len().max(1)) {
            let tell = tell.clone();
            let (next, one) = (&next, &one);
            scope.spawn(move || {
                while let Some(test) = tests.get(next.fetch_add(1, SeqCst)) {
                    let place = tests.iter().position(|it| it.name == test.name);
                    let _ = tell.send((place, one(test)));
                }
            });
        }
        drop(tell);
        for (place, verdict) in hear {
            verdicts[place.unwrap_or_default()] = Some(verdict);
            while let Some(Some(verdict)) = verdicts.get(shown) {
                show(tests[shown], verdict, arguments, subject.seed);
                shown += 1;
            }
        }
    });
    verdicts.into_iter().flatten().collect()
}

fn in_process(test: &Test, subject: &Subject) -> Verdict {
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return Verdict::Failed(format!("no folder for it: {error}")),
    };
    let before = std::env::current_dir();
    if let Err(error) = std::env::set_current_dir(folder.path()) {
        return Verdict::Failed(format!("no folder for it: {error}"));
    }
    let verdict = Verdict::of((test.run)(subject));
    if let Ok(before) = before {
        let _ = std::env::set_current_dir(before);
    }
    verdict
}

fn show(test: &Test, verdict: &Verdict, arguments: &VerifyArguments, seed: u64) {
    if arguments.only_failed && !verdict.is_failure() {
        return;
    }
    let wants_advice = verdict.is_failure() || matches!(verdict, Verdict::Warning(_));
    let advice = if wants_advice { advice(test, verdict) } else { "" };
    let (word, said) = (verdict.word(), verdict.said());
    let is_random = verdict.is_failure() && test.name.starts_with("fuzz::");
    let again = is_random.then(|| repeats(test, arguments, seed));
    if arguments.json {
        let mut object =
            json!({ "test": test.name, "verdict": word, "said": said, "advice": advice });
        if let Some(again) = again {
            object["again"] = again.into();
        }
        return print(object);
    }
    let colon = if said.is_empty() { "" } else { ": " };
    print(format_args!("{word:<8} {}{colon}{said}", test.name));
    if wants_advice {
        print(format_args!("         → {advice}"));
    }
    if let Some(again) = again {
        print(format_args!("         → again: {again}"));
    }
}

/// The advice: for the observed problem, if that is more specific than the test.
fn advice(test: &Test, verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Crashed(_) => {
            "run this test alone (--include) in a debugger (--in-process), or look at its last \
             output"
        }
        Verdict::Failed(said) if said.contains("panicked") => {
            "a panic is always a bug: report failures (handled.fail, an Error)"
        }
        Verdict::Failed(said) if said.starts_with("it did not end within") => {
            "it hangs or is slow: give a slow one more time (--timeout)"
        }
        _ => test.advice,
    }
}

/// The command that does the same once more.
fn repeats(test: &Test, arguments: &VerifyArguments, seed: u64) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let mut command = format!("gopiper verify {}", quoted(&arguments.file.display().to_string()));
    if let Some(attributes) = &arguments.attributes {
        command += &format!(" --attributes {}", quoted(attributes));
    }
    command + &format!(" --include {} --seed {seed}", test.name)
}

fn summarize(verdicts: &[Verdict], arguments: &VerifyArguments) {
    if arguments.json {
        return;
    }
    if let Some(refused) = verdicts.iter().find(|it| it.said().starts_with(REFUSES)) {
        print(format_args!("most tests were skipped, because {}", refused.said()));
    }
    if arguments.only_failed && !verdicts.iter().any(Verdict::is_failure) {
        return;
    }
    let count = |word| verdicts.iter().filter(|verdict| verdict.word() == word).count();
    let [passed, skipped, warnings, failed, crashed] =
        ["PASSED", "SKIPPED", "WARNING", "FAILED", "CRASHED"].map(count);
    print(format_args!(
        "{} tests: {passed} passed, {skipped} skipped, {warnings} warnings, {failed} failed, {crashed} crashed",
        verdicts.len()
    ));
}

fn digest(text: &str) -> Result<[u8; 32], String> {
    let byte = |at: usize| text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| "64 hexadecimal digits".into())
}

/// The attributes, as `--attributes` has them.
fn given(text: Option<&str>) -> Result<Map, String> {
    let Some(text) = text else { return Ok(Map::default()) };
    let read = match text.strip_prefix('@') {
        Some(file) => fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?,
        None => text.to_owned(),
    };
    match serde_json::from_str(&read) {
        Ok(Json::Object(all)) => Ok(all.iter().map(|(key, it)| (key, value(it))).collect()),
        Ok(_) => Err("--attributes: give a JSON object".into()),
        Err(error) => Err(format!("--attributes: give a JSON object ({error})")),
    }
}

fn in_a_line(inspection: &Inspection) -> String {
    let Inspection { kind, name, version, interface, rustc, .. } = inspection;
    let seal = if inspection.seal == Seal::Fits { "sealed" } else { "not sealed" };
    format!("{} {name} {version}, interface {interface}, {seal}, {rustc}", kind.name())
}
