//! The lines about each test, and about all.
use gopiper_core::{loader::for_shell, plural};
use serde_json::json;

use super::{
    options::VerifyArguments,
    subject::{REFUSES, Subject},
    suite::{LOADS, Test},
    verdict::{NO_PROGRESS, NOT_IN_TIME, Verdict},
};
use crate::command::terminal::output::print;

/// Shows a test, unless the options leave it out.
pub(super) fn show(test: &Test, verdict: &Verdict, arguments: &VerifyArguments, subject: &Subject) {
    if arguments.only_failed && !verdict.is_failure() {
        return;
    }
    let wants_advice = verdict.is_failure() || matches!(verdict, Verdict::Warning(_));
    let advice = if wants_advice { advice(test, verdict, subject) } else { "" };
    let is_random = verdict.is_failure() && test.name.starts_with("fuzz::");
    let again = is_random.then(|| repeats(test, arguments, subject.seed));
    print_verdict(test.name, verdict, advice, again, arguments);
}

/// Shows a file that could not be opened in a process of its own.
pub(super) fn show_unopened(verdict: &Verdict, arguments: &VerifyArguments) {
    let advice = match verdict {
        Verdict::Failed(_) => {
            "code that runs as it is opened (initialisers, constructors) takes too long: allow it \
             more time (--timeout), or look at it in a debugger (--in-process)"
        }
        _ => {
            "code that runs as it is opened (initialisers, constructors) ended the process: look \
             at it in a debugger (--in-process)"
        }
    };
    print_verdict(LOADS, verdict, advice, None, arguments);
}

fn print_verdict(
    test: &str,
    verdict: &Verdict,
    advice: &str,
    again: Option<String>,
    arguments: &VerifyArguments,
) {
    let (word, said) = (verdict.word(), verdict.said());
    if arguments.json {
        let mut object = json!({ "test": test, "verdict": word, "said": said, "advice": advice });
        if let Some(again) = again {
            object["again"] = again.into();
        }
        return print(object);
    }
    let colon = if said.is_empty() { "" } else { ": " };
    print(format_args!("{word:<14} {test}{colon}{said}"));
    if !advice.is_empty() {
        print(format_args!("               → {advice}"));
    }
    if let Some(again) = again {
        print(format_args!("               → again: {again}"));
    }
}

/// The advice: for the observed problem, if that is more specific than the test.
fn advice(test: &Test, verdict: &Verdict, subject: &Subject) -> &'static str {
    let in_c = subject.is_in_c;
    match verdict {
        Verdict::Crashed(_) => {
            "run this test alone (--include) in a debugger (--in-process), or look at its last \
             output"
        }
        Verdict::Failed(said) if said.contains("panicked") => match in_c {
            true => "the Rust code in gopiper's static library panicked: please report it",
            false => "a panic is always a bug: report failures (handled.fail, an Error)",
        },
        Verdict::Failed(said) if said.starts_with(NOT_IN_TIME) => {
            "it is slow, or it hangs where no pipeline watches it (created, dropped): a slow one \
             needs more time (--timeout); look at one that hangs in a debugger (--in-process)"
        }
        Verdict::Failed(said) if said.starts_with(NO_PROGRESS) => {
            "it is stuck, or it pauses for longer than that: allow a slow one longer pauses \
             (--patience), and more time for them (--timeout)"
        }
        _ if in_c && !test.in_c.is_empty() => test.in_c,
        _ => test.advice,
    }
}

/// The command that does the same once more.
fn repeats(test: &Test, arguments: &VerifyArguments, seed: u64) -> String {
    let mut command = format!("gopiper verify {}", for_shell(&arguments.file));
    if let Some(attributes) = &arguments.attributes {
        command += &format!(" --attributes {}", for_shell(attributes));
    }
    for (option, path) in [("fixture", &arguments.fixture), ("messages", &arguments.messages)] {
        if let Some(path) = path {
            command += &format!(" --{option} {}", for_shell(path));
        }
    }
    command + &format!(" --include {} --seed {seed}", test.name)
}

/// The last lines. `unproven` tests were skipped, and the options do not allow that.
pub(super) fn summarize(verdicts: &[Verdict], unproven: usize, arguments: &VerifyArguments) {
    if arguments.json {
        return;
    }
    if let Some(refused) = verdicts.iter().find(|it| it.said().starts_with(REFUSES)) {
        print(format_args!("most tests were skipped, because {}", refused.said()));
    }
    if unproven > 0 {
        print(format_args!(
            "{unproven} skipped: that proves nothing. Give the component what it needs \
             (--attributes, --fixture, --messages, --while), or accept a test that cannot be tried \
             here with --allow-skip NAME"
        ));
    }
    let has_failed = unproven > 0 || verdicts.iter().any(Verdict::is_failure);
    if arguments.only_failed && !has_failed {
        return;
    }
    let count = |word| verdicts.iter().filter(|verdict| verdict.word() == word).count();
    let [passed, not_applicable, skipped, warnings, failed, crashed] =
        ["PASSED", "NOT APPLICABLE", "SKIPPED", "WARNING", "FAILED", "CRASHED"].map(count);
    print(format_args!(
        "{}: {passed} passed, {not_applicable} not applicable, {skipped} skipped, \
         {}, {failed} failed, {crashed} crashed",
        plural(verdicts.len(), "test"),
        plural(warnings, "warning"),
    ));
}
