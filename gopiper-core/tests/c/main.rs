//! Components in C, in pipelines of this program's.
#[path = "../common/mod.rs"]
mod common;

mod attributes;
mod pipelines;
mod reports;

use std::{
    collections::BTreeSet, fs, os::unix::process::ExitStatusExt, path::Path, process::Command,
    thread, time::Duration,
};

use common::c::{c_folder, compilers, component_by, component_of};
use common::{Probe, plugin, program, run, run_until};
use gopiper_abi::{Kind, Map, Outcome, Value, raw::client::FactoryHandle};
use gopiper_core::{
    ComponentOptions, ComponentSpec, MetricValue, PipelineOptions, Summary, loader,
};

const EVERYTHING: &str = "gopiper-core/tests/c/everything.c";

fn factory(file: &Path) -> FactoryHandle {
    let loaded = loader::load(file, &loader::Trust::default());
    let loaded = loaded.unwrap_or_else(|refusal| panic!("{refusal}"));
    FactoryHandle::new(loaded.module).expect("a factory")
}

fn spec<const N: usize>(file: &Path, attributes: [(&str, Value); N]) -> ComponentSpec {
    let mut factory = factory(file);
    factory.configure(Map::from_iter(attributes)).expect("configured");
    ComponentSpec { factory, options: ComponentOptions::default() }
}

fn everything() -> ComponentSpec {
    let mut spec = spec(&component_of(EVERYTHING), [("text", "it".into())]);
    spec.options.retry.initial_backoff = Duration::from_millis(1);
    spec
}

/// The messages made from one message.
fn one(message: impl Into<common::Input>) -> (Probe, Summary) {
    let probe = Probe::new([message]);
    let (summary, _) = run(vec![probe.source(1), everything(), probe.sink()]);
    (probe, summary)
}

#[test]
fn the_file_has_a_note_and_exports_only_its_entry() {
    let of_rust = loader::inspect(&plugin("pass")).expect("a component");
    for compiler in compilers() {
        let file = component_by(compiler, EVERYTHING);
        let inspection = loader::inspect(&file).expect("a component");
        assert_eq!((&*inspection.name, &*inspection.version), ("everything", "1.2.3"));
        assert_eq!(inspection.kind, Kind::TRANSFORM);
        assert!(
            inspection.compiler.starts_with(&format!("{compiler} ")),
            "{}",
            inspection.compiler
        );
        assert_eq!(inspection.target, of_rust.target);
        assert_eq!(
            (inspection.layout, &inspection.interface),
            (of_rust.layout, &of_rust.interface)
        );
        assert!(inspection.verdicts.is_empty(), "{:?}", inspection.verdicts);
        let symbols = Command::new("nm").args(["-D", "--defined-only"]).arg(&file).output();
        let symbols = String::from_utf8(symbols.expect("nm").stdout).expect("text");
        let names: Vec<_> = symbols.lines().filter_map(|line| line.split(' ').nth(2)).collect();
        assert_eq!(names, ["_1as_0lib_1header_0root_bmodule_bloader"]);
        drop(factory(&file));
    }
}

#[test]
fn bytes_are_replaced_written_and_sliced() {
    assert_eq!(one("slice of it").0.output(), ["of it"]);
    assert_eq!(one("write abc").0.output(), ["cba etirw"]);
    let long = format!("write {}", "x".repeat(100_000));
    assert_eq!(one(long.clone()).0.output(), [long.chars().rev().collect::<String>()]);
}

/// -1 as a length in C: no memory is so large, and a panic could not be caught below C's code.
#[test]
fn a_length_that_can_not_be_ends_the_program_with_a_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipeline = folder.path().join("pipeline.lua");
    let load = |file: &Path, attributes: &str| {
        format!("  gopiper.loadComponent('{}', {{ {attributes} }}),\n", file.display())
    };
    let components = [
        load(&plugin("stdin"), ""),
        load(&component_of(EVERYTHING), "text = 'it'"),
        load(&plugin("stdout"), ""),
    ];
    let lua = format!(
        "local gopiper = require('gopiper')\ngopiper.createPipeline({{\n{}}})\n",
        components.concat()
    );
    fs::write(&pipeline, lua).expect("written");
    for word in ["too-long", "too-long-to-write"] {
        fs::write(folder.path().join("input"), word).expect("written");
        let input = fs::File::open(folder.path().join("input")).expect("there");
        let mut command = Command::new(program("gopiper"));
        let output = command.arg("run").arg(&pipeline).stdin(input).output().expect("it starts");
        let (status, said) = (output.status, String::from_utf8_lossy(&output.stderr));
        assert_eq!(status.signal(), Some(6), "{status}");
        let wanted = "everything: 18446744073709551615 bytes are too many: is this the -1 of a failed call?\n\
                      gopiper: SIGABRT in component everything (pipeline main, worker 1): it ends the process\n\
                      gopiper: position of the message: standard input, message 1\n";
        assert!(said.ends_with(wanted), "{said}");
    }
}

#[test]
fn one_becomes_several_none_or_one_more() {
    let probe = Probe::new(["a", "split b c", "void", "d", "beside", "let-go", "many", "misuse"]);
    let (summary, _) = run(vec![probe.source(8), everything(), probe.sink()]);
    let mut wanted: Vec<String> =
        ["a", "split", "b", "c", "d", "more", "beside"].map(Into::into).into();
    wanted.extend((0..1500).map(|n| n.to_string()));
    wanted.push("refused".into());
    assert_eq!(probe.output(), wanted);
    let mut outcomes = vec![Outcome::DELIVERED; 8];
    (outcomes[2], outcomes[5]) = (Outcome::DROPPED, Outcome::FAILED);
    assert_eq!(probe.outcomes(), outcomes);
    assert_eq!((summary.unsettled, summary.components[1].1.unsent), (0, 1));
}

#[test]
fn a_window_is_sent_by_its_timer_or_at_the_end() {
    // The source waits for the outcome of each before it gives the next: only the timer can send
    // it.
    let probe = Probe::new(["hold 1", "hold 2"]);
    let (summary, _) = run(vec![probe.patient_source(), everything(), probe.sink()]);
    assert_eq!(probe.output(), ["hold 1", "1 of 1", "hold 2", "1 of 1"]);
    probe.with_output(|messages| {
        assert_eq!(messages[0].attribute("held").and_then(Value::as_bool), Some(true));
    });
    assert!(summary.is_success(), "{summary:?}");

    let probe = Probe::new((0..2000).map(|n| format!("hold {n}")));
    let (summary, _) = run(vec![probe.source(100), everything(), probe.sink()]);
    let sums: Vec<_> = probe.output().into_iter().filter(|it| it.contains(" of ")).collect();
    let held: usize =
        sums.iter().filter_map(|it| it.split(' ').next()?.parse::<usize>().ok()).sum();
    assert_eq!(held, 2000, "{sums:?}");
    assert!(probe.outcomes().iter().all(|outcome| *outcome == Outcome::DELIVERED));
    assert_eq!(summary.unsettled, 0);
}

#[test]
fn a_source_and_a_sink_in_c() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lines");
    let sink = || {
        let path = path.display().to_string();
        spec(&component_of("gopiper-core/tests/c/file.c"), [("path", path.into())])
    };
    let source = |lines: u64| {
        spec(&component_of("gopiper-core/tests/c/blocks.c"), [("lines", lines.into())])
    };
    let (summary, control) = run(vec![source(2345), everything(), sink()]);
    assert!(summary.is_success(), "{summary:?}");
    let written = fs::read_to_string(&path).expect("written");
    let wanted: String = (0..2345).map(|n| format!("line {n:05}\n")).collect();
    assert!(written == wanted, "{} lines", written.lines().count());
    let delivered = control.metrics().into_iter().find(|metric| metric.name == "delivered_total");
    assert_eq!(delivered.map(|metric| metric.value), Some(MetricValue::Counter(2345)));

    // Without an end, until it is stopped.
    let (summary, _) = run_until(vec![source(0), sink()], PipelineOptions::default(), |control| {
        while control.outcomes().delivered < 1000 {
            thread::sleep(Duration::from_millis(1));
        }
        control.stop();
    });
    assert!(summary.is_success(), "{summary:?}");
    let written = fs::read_to_string(&path).expect("written").lines().count() as u64;
    assert_eq!(written, summary.outcomes.delivered);

    let mut sink = factory(&component_of("gopiper-core/tests/c/file.c"));
    sink.configure(Map::from_iter([("path", "/nowhere/at/all")])).expect("configured");
    let sink = ComponentSpec { factory: sink, options: Default::default() };
    let pipeline = gopiper_core::Pipeline::new(vec![source(1), sink], PipelineOptions::default());
    let error = pipeline.unwrap_or_else(|_| panic!("it fits")).start().err().expect("refused");
    let wanted = "file cannot start: attribute path: cannot be written: No such file or directory";
    assert_eq!(error.to_string(), wanted);
}

/// Each function of a header is called by one of the C files that tests compile.
#[test]
fn no_function_is_left_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let called = |folder: &str, files: &[&str]| -> String {
        files
            .iter()
            .map(|file| fs::read_to_string(root.join(folder).join(file)).expect(file))
            .collect()
    };
    let components = called("gopiper-core/tests/c", &["everything.c", "blocks.c", "file.c"]);
    let pipelines = called("gopiper-core/tests/c", &["pipelines.c"]);
    for (header, code) in [("gopiper_component.h", components), ("gopiper.h", pipelines)] {
        let header = fs::read_to_string(c_folder().join("include").join(header)).expect("a header");
        let code_of_header = header.lines().filter(|line| !line.trim_start().starts_with("//"));
        let functions: BTreeSet<&str> = code_of_header
            .flat_map(|line| line.match_indices("gopiper_").map(move |(at, _)| &line[at..]))
            .filter_map(|rest| rest.split_once('(').map(|(name, _)| name))
            .filter(|name| {
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            })
            .filter(|name| !name.starts_with("gopiper_log_function"))
            .collect();
        assert!(functions.len() > 8, "{functions:?}");
        let missing: Vec<_> =
            functions.iter().filter(|name| !code.contains(&format!("{name}("))).collect();
        assert!(missing.is_empty(), "nothing calls {missing:?}");
    }
}
