//! `gopiper verify`: checks whether a component's file can be loaded, and tests whether it behaves.
//! Only `sealed.rs` changes the author's file, for `--seal`.
//!
//! `suite/` has the tests. A trial (`trial/`) puts the component into a real pipeline between a
//! source and a sink of the program's own, so the real scheduler calls it. The program starts
//! itself once for each test (`child.rs`, with a hidden `--result`): a crash or a hang is that
//! test's. `process/` reads what all components share. The gates are judged in the program itself;
//! a test loads no file but the one with the digest that was judged (`Trust::only`).
mod child;
mod options;
mod process;
mod sealed;
mod show;
mod subject;
mod suite;
mod surroundings;
mod trial;
mod verdict;

use std::{
    collections::BTreeSet,
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
};

use gopiper_abi::Kind;
use gopiper_core::{
    at_work,
    loader::{self, Inspection, Refusal, Seal, Trust, for_shell},
};
use serde_json::json;

pub(crate) use options::VerifyArguments;

use crate::command::{
    process::exit::{self, refuse},
    terminal::output::print,
    terminal::problems::{show_error, show_warning},
};
use options::VerifyInput;
use process::{Snapshot, children};
use sealed::SealedCopy;
use show::{show, show_unopened, summarize};
use subject::Subject;
use suite::{Test, all};
use surroundings::Surroundings;
use verdict::Verdict;

/// Why a file was not sealed.
const NOT_ALL_PASSED: &str = "not all tests passed";

/// Takes the file through all gates, then runs the tests.
pub(crate) fn verify(arguments: &VerifyArguments, trust: &Trust) -> Result<ExitCode, Refusal> {
    if arguments.list {
        all().for_each(|test| print(test.name));
        return Ok(ExitCode::SUCCESS);
    }
    let begun = match begin(arguments) {
        Ok(begun) => begun,
        Err(error) => return Ok(refuse(&error)),
    };
    let BeforeLoad { given, before, scratch, .. } = &begun;
    let copy = arguments.seal.then(|| SealedCopy::of(&arguments.file, scratch));
    let copy = match copy.transpose() {
        Ok(copy) => copy.transpose()?,
        Err(error) => return Ok(refuse(&format_args!("no copy to be tested: {error}"))),
    };
    let file = copy.as_ref().map_or(arguments.file.as_path(), SealedCopy::path);
    if arguments.result.is_none() && !arguments.in_process {
        match unopened(arguments, file, trust, &begun) {
            Ok(None) => {}
            Ok(Some(verdict)) => {
                show_unopened(&verdict, arguments);
                summarize(&[verdict], 0, arguments);
                return Ok(match copy {
                    Some(_) => not_sealed(arguments, NOT_ALL_PASSED),
                    None => ExitCode::from(exit::FAILED),
                });
            }
            Err(error) => return Ok(refuse(&format_args!("it could not be opened: {error}"))),
        }
    }
    let trust = Trust { only: arguments.only, ..trust.clone() };
    let opened = format!("file {}", arguments.file.display());
    let loaded = at_work::during(opened, || loader::load(file, &trust));
    let component = match &copy {
        Some(copy) => loaded.map_err(|refusal| copy.named(refusal))?,
        None => loaded?,
    };
    let inspection = component.inspection;
    let subject = Subject {
        file: file.to_owned(),
        module: component.module,
        name: inspection.name.clone(),
        kind: inspection.kind,
        is_in_c: !inspection.compiler.starts_with("rustc"),
        seal: inspection.seal,
        digest: inspection.digest,
        seed: arguments.seed.unwrap_or_else(|| fastrand::u64(..)),
        given: given.clone(),
        folder: env::current_dir().unwrap_or_default(),
        scratch: scratch.clone(),
        before: before.clone(),
    };
    if let Some(result) = &arguments.result {
        let test = all().find(|test| arguments.include.iter().any(|name| name == test.name));
        let verdict = test.map(|test| Verdict::of((test.run)(&subject)));
        children::end(&BTreeSet::new());
        let written = fs::write(result, json!(verdict).to_string());
        return Ok(written.map_or_else(|error| refuse(&error), |()| ExitCode::SUCCESS));
    }
    let in_words = |text: &str| copy.as_ref().map_or(text.to_owned(), |copy| copy.named_in(text));
    let warnings = component.warnings.iter().chain(&inspection.hazards);
    warnings.for_each(|text| show_warning(in_words(text)));
    let chosen = match chosen(arguments, &subject) {
        Ok(chosen) => chosen,
        Err(error) => {
            show_error(error);
            return Ok(ExitCode::from(exit::USAGE));
        }
    };
    let verdicts = run(&chosen, &subject, arguments);
    conclude(arguments, &inspection, copy, &chosen, &verdicts)
}

/// All that is there before the file is opened.
struct BeforeLoad {
    given: Arc<VerifyInput>,
    /// Opening the file runs code of it, too.
    before: Snapshot,
    /// A folder for the files of all tests. A test in a process of its own needs none.
    scratch: PathBuf,
    _removed_at_the_end: Option<tempfile::TempDir>,
}

fn begin(arguments: &VerifyArguments) -> Result<BeforeLoad, String> {
    children::adopt_orphans();
    let before = Snapshot::take();
    if arguments.result.is_some() {
        children::end_with_parent();
        let (given, scratch) = (VerifyInput::read(arguments, None)?, env::temp_dir());
        return Ok(BeforeLoad { given: given.into(), before, scratch, _removed_at_the_end: None });
    }
    let made = tempfile::Builder::new().prefix("gopiper-verify-").tempdir();
    let made = made.map_err(|error| format!("no folder for the tests: {error}"))?;
    let scratch = made.path().to_owned();
    let handled = children::end_before_signals_do(before.children.clone(), scratch.clone());
    handled.map_err(|error| error.to_string())?;
    let given = VerifyInput::read(arguments, Some(&scratch))?.into();
    Ok(BeforeLoad { given, before, scratch, _removed_at_the_end: Some(made) })
}

/// Opens a file in a process of its own, before this one does: code of it runs. One that the first
/// gates or the operator's keys refuse is never opened.
fn unopened(
    arguments: &VerifyArguments,
    file: &Path,
    trust: &Trust,
    begun: &BeforeLoad,
) -> io::Result<Option<Verdict>> {
    match loader::check(file, trust) {
        Ok(inspection) => {
            child::open(arguments, file, inspection.digest, (&begun.given, &begun.scratch))
        }
        // This process refuses it, too.
        Err(_) => Ok(None),
    }
}

/// Sums the verdicts up, and seals the file if no test speaks against that.
fn conclude(
    arguments: &VerifyArguments,
    inspection: &Inspection,
    copy: Option<SealedCopy>,
    tests: &[&'static Test],
    verdicts: &[Verdict],
) -> Result<ExitCode, Refusal> {
    let is_allowed = |test: &Test| is_in(&arguments.allow_skip, test);
    let unproven = tests
        .iter()
        .zip(verdicts)
        .filter(|(test, verdict)| matches!(verdict, Verdict::Skipped(_)) && !is_allowed(test));
    let unproven = unproven.count();
    summarize(verdicts, unproven, arguments);
    let failed = unproven > 0 || verdicts.iter().any(Verdict::is_failure);
    if let Some(copy) = copy {
        let why = match failed {
            true => Some(NOT_ALL_PASSED),
            false => (!copy.seal()?).then_some("it was replaced while its copy was tested"),
        };
        if let Some(why) = why {
            return Ok(not_sealed(arguments, why));
        }
        let left_out = all().count() - tests.len();
        if left_out > 0 {
            let all = all().count();
            show_warning(format_args!("sealed, but {left_out} of {all} tests were left out"));
        }
    }
    if !arguments.json {
        print(format_args!("{}: {}", arguments.file.display(), in_a_line(inspection)));
    }
    Ok(if failed { ExitCode::from(exit::FAILED) } else { ExitCode::SUCCESS })
}

fn not_sealed(arguments: &VerifyArguments, why: &str) -> ExitCode {
    show_error(format_args!("{} was not sealed: {why}", arguments.file.display()));
    ExitCode::from(exit::FAILED)
}

fn is_in(list: &[String], test: &Test) -> bool {
    list.iter().any(|part| test.name.contains(part))
}

/// The tests that are to be run.
fn chosen(arguments: &VerifyArguments, subject: &Subject) -> Result<Vec<&'static Test>, String> {
    let VerifyArguments { include, exclude, .. } = arguments;
    let list = format!("list them with: gopiper verify --list {}", for_shell(&arguments.file));
    for part in &arguments.allow_skip {
        let matches = |test: &Test| test.name.contains(part);
        if all().all(matches) {
            return Err(format!("--allow-skip '{part}' is a part of every name: name the tests"));
        }
        if !all().any(matches) {
            return Err(format!("--allow-skip: no test matches '{part}'; {list}"));
        }
    }
    let is_source = subject.kind == Kind::SOURCE;
    if arguments.messages.is_some() && is_source {
        return Err("--messages: a source receives no messages; feed it with --while".into());
    }
    if arguments.beside.is_some() && !is_source {
        return Err("--while feeds a source; this component is not one: use --messages".into());
    }
    let chosen: Vec<_> = all()
        .filter(|test| include.is_empty() || is_in(include, test))
        .filter(|test| !is_in(exclude, test))
        .collect();
    if chosen.is_empty() {
        let names = include.join("' or '");
        let what = if names.is_empty() { "is left".into() } else { format!("matches '{names}'") };
        return Err(format!("no test {what}; {list}"));
    }
    Ok(chosen)
}

/// Runs the tests, and shows each in its turn.
fn run(tests: &[&'static Test], subject: &Subject, arguments: &VerifyArguments) -> Vec<Verdict> {
    let one = |test: &Test| {
        if test.name.starts_with("gates::") {
            return Verdict::of((test.run)(subject));
        }
        let judged = match arguments.in_process {
            true => in_process(test, subject, arguments),
            false => child::run(test, arguments, subject),
        };
        judged.unwrap_or_else(|error| Verdict::Skipped(format!("it could not be run: {error}")))
    };
    let show = |test: &Test, verdict: &Verdict| show(test, verdict, arguments, subject);
    let verdicts = match arguments.in_process {
        // Nothing is shown while a test runs, which would take it for output of the component.
        true => {
            let shown = |test: &&'static Test| {
                let verdict = one(test);
                show(test, &verdict);
                verdict
            };
            tests.iter().map(shown).collect()
        }
        false => {
            let processors = || thread::available_parallelism().map_or(1, Into::into);
            side_by_side(tests, arguments.jobs.map_or_else(processors, Into::into), &one, &show)
        }
    };
    // A test that crashed may have left some. Those that the program had when it began are those of
    // a shell that it has replaced.
    children::end(&subject.before.children);
    verdicts
}

/// Runs several tests at once. Each is shown in its turn, on this thread.
fn side_by_side(
    tests: &[&'static Test],
    jobs: usize,
    one: &(impl Fn(&Test) -> Verdict + Sync),
    show: &impl Fn(&Test, &Verdict),
) -> Vec<Verdict> {
    let mut verdicts: Vec<Option<Verdict>> = vec![None; tests.len()];
    let (next, mut shown) = (AtomicUsize::new(0), 0);
    let (tell, hear) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, tests.len().max(1)) {
            let tell = tell.clone();
            let next = &next;
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
                show(tests[shown], verdict);
                shown += 1;
            }
        }
    });
    verdicts.into_iter().flatten().collect()
}

/// Runs a test in this process, as far as possible like in one of its own.
fn in_process(test: &Test, subject: &Subject, arguments: &VerifyArguments) -> io::Result<Verdict> {
    let around = Surroundings::new(arguments, subject)?;
    let before = env::current_dir()?;
    env::set_current_dir(around.folder())?;
    let (folder, before_it) = (around.folder().to_owned(), Snapshot::take());
    let subject = Subject { folder, before: before_it, ..subject.clone() };
    let verdict = Verdict::of((test.run)(&subject));
    children::end(&subject.before.children);
    env::set_current_dir(before)?;
    around.end(verdict)
}

fn in_a_line(inspection: &Inspection) -> String {
    let Inspection { kind, name, version, interface, compiler, .. } = inspection;
    let seal = if inspection.seal == Seal::Fits { "sealed" } else { "not sealed" };
    format!("{} {name} {version}, interface {interface}, {seal}, {compiler}", kind.name())
}
