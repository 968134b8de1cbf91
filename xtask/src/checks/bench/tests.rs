use std::{env, iter};

use super::*;

#[test]
fn finds_the_count_that_a_component_sent() {
    let log = "not JSON\n\
        {\"message\":\"started\",\"component\":\"stdin\"}\n\
        {\"message\":\"component finished\",\"component\":\"stdout\",\"received\":7,\"sent\":0}\n\
        {\"message\":\"component finished\",\"component\":\"stdin\",\"received\":0,\"sent\":7}\n";
    assert_eq!(sent_by("stdin", log), Some(7));
    assert_eq!(sent_by("grep", log), None);
}

#[test]
fn rows_are_chosen_by_name() {
    let names = |rows: &[&str]| -> Result<Vec<_>> {
        let rows: Vec<_> = rows.iter().map(|&name| name.to_owned()).collect();
        Ok(chosen(&rows)?.iter().map(|row| row.name).collect())
    };
    assert_eq!(names(&["grep", "seed"]).unwrap(), ["seed", "grep"]);
    assert_eq!(names(&[]).unwrap().len(), rows::all().count());
    let refusal = names(&["seeds"]).unwrap_err().to_string();
    assert!(refusal.starts_with("no row 'seeds'; there are: seed, "), "{refusal}");
}

/// Not how fast: with what the tests use, and hardly any input.
#[test]
fn every_row_can_be_measured() {
    let given = |name| env::var_os(name).map(PathBuf::from).expect("run: cargo xtask test");
    let built =
        Built { program: given("GOPIPER_TEST_PROGRAM"), plugins: given("GOPIPER_TEST_PLUGINS") };
    let examples = built.program.with_file_name("examples");
    let example = |name| examples.join(name);
    let (stage, static_server) = (example(STAGE_PROGRAM), example("bench_static"));
    let folder = tempfile::tempdir().unwrap();
    let programs = Programs { brokers: given("GOPIPER_TEST_PYTHON"), examples: examples.clone() };
    let ours = (built, stage);
    let bench = Bench::new(ours, static_server, programs, folder.path().into(), (200, 1)).unwrap();
    let mut rows = chosen(&[]).unwrap();
    // The tests do not build its components.
    rows.retain(|row| row.how.broker() != Some(Broker::Kafka));
    bench.run(&rows).unwrap();

    let measured = rows.iter().filter(|row| missing(row).is_none());
    let report = fs::read(folder.path().join("bench.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    for (row, result) in iter::zip(measured, report["rows"].as_array().unwrap()) {
        assert_eq!(result["name"], row.name);
        assert_eq!(result["messages"], result["lines"], "{}", row.name);
        assert!(result["figure"].is_number() && result["noise"].is_number(), "{result}");
    }
    let plot = fs::read_to_string(folder.path().join("bench.svg")).unwrap();
    roxmltree::Document::parse(&plot).unwrap();
}
