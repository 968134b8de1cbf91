//! Pipelines measured against the commands whose place they take.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

use crate::access_log;
use crate::run::{self, Built};
use crate::workspace::{succeed, target_folder};

/// A pipeline in the place of a command. Both are lines for `sh`, which finds in its environment
/// $INPUT, $GOPIPER (the program), $PIPELINE (a file with `between` between standard input and
/// output) and $SEED (one with nothing between).
struct Row {
    name: &'static str,
    /// What the figure should not exceed.
    target: f64,
    figure: Figure,
    between: &'static [&'static str],
    reference: &'static str,
    ours: &'static str,
}

/// What is told of a row.
enum Figure {
    /// The wall time of ours, as a multiple of the reference's.
    Wall,
    /// What ours costs in CPU time above the reference, for each message in each component between.
    NanosecondsAStage,
}

const PASS: &str = "gopiper.loadComponent('pass_component.so')";

const ROWS: &[Row] = &[
    Row {
        name: "seed",
        target: 1.05,
        figure: Figure::Wall,
        between: &[],
        reference: r#"cat "$INPUT" | cat | cat"#,
        ours: r#"cat "$INPUT" | "$GOPIPER" run "$PIPELINE" | cat"#,
    },
    Row {
        name: "file",
        target: 0.5,
        figure: Figure::Wall,
        between: &[],
        reference: r#"mawk 1 "$INPUT""#,
        ours: r#""$GOPIPER" run "$PIPELINE" < "$INPUT""#,
    },
    Row {
        name: "stages",
        target: 10.0,
        figure: Figure::NanosecondsAStage,
        between: &[PASS; 8],
        reference: r#""$GOPIPER" run "$SEED" < "$INPUT""#,
        ours: r#""$GOPIPER" run "$PIPELINE" < "$INPUT""#,
    },
    // One line of a hundred.
    Row {
        name: "grep",
        target: 1.5,
        figure: Figure::Wall,
        between: &[r#"gopiper.loadComponent('grep_component.so', { word = '" 503 ' })"#],
        reference: r#"LC_ALL=C grep -F '" 503 ' < "$INPUT" | cat"#,
        ours: r#""$GOPIPER" run "$PIPELINE" < "$INPUT" | cat"#,
    },
];

impl Figure {
    fn unit(&self) -> &'static str {
        match self {
            Figure::Wall => "times the reference",
            Figure::NanosecondsAStage => "ns a message and stage",
        }
    }
}

/// The file that makes a pipeline of standard input, these, and standard output.
fn lua(between: &[&str]) -> String {
    let between: String = between.iter().map(|component| format!("  {component},\n")).collect();
    format!(
        "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('stdin_component.so', {{}}),
{between}  gopiper.loadComponent('stdout_component.so', {{}}),
}})
"
    )
}

/// Once more, with what it counted on standard error.
const COUNTED: &str = r#""$GOPIPER" run -v --log-format json "$PIPELINE" < "$INPUT""#;
const SOURCE: &str = "stdin";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rows to measure [default: all]
    rows: Vec<String>,
    /// Lines of input
    #[arg(long, default_value_t = 10_000_000)]
    lines: u64,
    /// Rounds, of which the fastest counts
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

pub(crate) fn bench(args: &Args) -> Result<()> {
    for name in &args.rows {
        if !ROWS.iter().any(|row| row.name == name) {
            let known: Vec<_> = ROWS.iter().map(|row| row.name).collect();
            bail!("no row '{name}'; there are: {}", known.join(", "));
        }
    }
    let folder = target_folder()?.join("bench");
    let built = run::release()?;
    let input = folder.join(format!("access-{}.log", args.lines));
    if !input.exists() {
        eprintln!("writing {}…", input.display());
        access_log::write_file(&input, args.lines)?;
    }
    let mut results = Vec::new();
    for row in ROWS {
        if args.rows.is_empty() || args.rows.iter().any(|name| name == row.name) {
            let bench = Bench::new(row, &built, &folder, &input)?;
            results.push(bench.measure(args.rounds)?);
        }
    }
    let report = json!({
        "input": { "lines": args.lines, "bytes": fs::metadata(&input)?.len() },
        "cores": available_parallelism()?,
        "rounds": args.rounds,
        "rows": results,
    });
    let file = folder.join("bench.json");
    fs::write(&file, format!("{report:#}\n"))?;
    println!("{}", file.display());
    Ok(())
}

struct Bench<'a> {
    row: &'a Row,
    built: &'a Built,
    input: &'a Path,
    pipeline: PathBuf,
    seed: PathBuf,
    log: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(row: &'a Row, built: &'a Built, folder: &Path, input: &'a Path) -> Result<Self> {
        let pipeline = folder.join(format!("{}.lua", row.name));
        fs::write(&pipeline, lua(row.between))?;
        let seed = folder.join("nothing-between.lua");
        fs::write(&seed, lua(&[]))?;
        let log = folder.join(format!("{}.log", row.name));
        Ok(Self { row, built, input, pipeline, seed, log })
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .env("INPUT", self.input)
            .env("GOPIPER", &self.built.program)
            .env("PIPELINE", &self.pipeline)
            .env("SEED", &self.seed)
            .env("GOPIPER_COMPONENT_PATH", &self.built.plugins)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    fn measure(&self, rounds: u32) -> Result<Value> {
        let Row { name, target, reference, ours, .. } = *self.row;
        // First, because it also shows that the pipeline works, which a shell's `|` hides.
        let messages = self.messages()?;
        let lines = self.lines()?;

        let mut times = Times::default();
        for round in 1..=rounds {
            times.reference.push(self.time(reference)?);
            times.ours.push(self.time(ours)?);
            times.again.push(self.time(reference)?);
            let last = [&times.reference, &times.ours, &times.again]
                .map(|all| format!("{:.3}", all[all.len() - 1].wall.as_secs_f64()));
            eprintln!("{name} {round}/{rounds}: {} s", last.join("  "));
        }
        let [base, our, again] = [&times.reference, &times.ours, &times.again].map(|t| fastest(t));
        let figure = |time: (f64, f64)| match self.row.figure {
            Figure::Wall => time.0 / base.0,
            Figure::NanosecondsAStage => {
                (time.1 - base.1) * 1e9 / (lines * self.row.between.len() as u64) as f64
            }
        };
        let (figure, noise, unit) = (figure(our), figure(again), self.row.figure.unit());
        let met = if figure <= target { "met" } else { "missed" };
        println!(
            "{name}: {figure:.3} {unit}, target {target} {met}; the reference itself again {noise:.3}"
        );
        println!("  reference  {:.3} s  {:.2} CPU s  {reference}", base.0, base.1);
        println!("  ours       {:.3} s  {:.2} CPU s  {ours}", our.0, our.1);
        println!("  again      {:.3} s  {:.2} CPU s", again.0, again.1);
        let verdict = if messages == lines { "equal" } else { "NOT EQUAL" };
        println!("  messages   {messages} counted by gopiper, {lines} by wc -l: {verdict}");
        Ok(json!({
            "name": name, "target": target, "figure": figure, "unit": unit, "noise": noise,
            "messages": messages, "lines": lines,
            "reference": record(&times.reference),
            "ours": record(&times.ours),
            "again": record(&times.again),
        }))
    }

    fn time(&self, line: &str) -> Result<Time> {
        let cpu = children_cpu()?;
        let start = Instant::now();
        succeed(&mut self.shell(line))?;
        let wall = start.elapsed();
        Ok(Time { wall, cpu: children_cpu()? - cpu })
    }

    fn messages(&self) -> Result<u64> {
        let status = self.shell(COUNTED).stderr(File::create(&self.log)?).status()?;
        let log = fs::read_to_string(&self.log)?;
        if !status.success() {
            bail!("{} failed ({status}):\n{log}", self.row.name);
        }
        sent_by(SOURCE, &log)
            .with_context(|| format!("{} does not say what '{SOURCE}' sent", self.log.display()))
    }

    fn lines(&self) -> Result<u64> {
        let output = self.shell(r#"wc -l < "$INPUT""#).stdout(Stdio::piped()).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse().context("wc -l counts no lines")
    }
}

#[derive(Default)]
struct Times {
    reference: Vec<Time>,
    ours: Vec<Time>,
    again: Vec<Time>,
}

struct Time {
    wall: Duration,
    cpu: Duration,
}

/// Seconds: the least wall time, and the least CPU time.
fn fastest(times: &[Time]) -> (f64, f64) {
    let least = |of: fn(&Time) -> Duration| times.iter().map(of).min().unwrap_or_default();
    (least(|t| t.wall).as_secs_f64(), least(|t| t.cpu).as_secs_f64())
}

fn record(times: &[Time]) -> Value {
    let seconds = |of: fn(&Time) -> Duration| -> Vec<f64> {
        times.iter().map(|time| of(time).as_secs_f64()).collect()
    };
    json!({ "wall_seconds": seconds(|t| t.wall), "cpu_seconds": seconds(|t| t.cpu) })
}

/// Of all children that have been waited for, and of theirs.
fn children_cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let spent = usage.user_time() + usage.system_time();
    Ok(Duration::new(spent.tv_sec() as u64, spent.tv_usec() as u32 * 1000))
}

/// What a component said at its end, in a log of JSON lines.
fn sent_by(component: &str, log: &str) -> Option<u64> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|entry| entry["message"] == "component finished" && entry["component"] == component)
        .and_then(|entry| entry["sent"].as_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_component_sent() {
        let log = "not JSON\n\
            {\"message\":\"started\",\"component\":\"stdin\"}\n\
            {\"message\":\"component finished\",\"component\":\"stdout\",\"received\":7,\"sent\":0}\n\
            {\"message\":\"component finished\",\"component\":\"stdin\",\"received\":0,\"sent\":7}\n";
        assert_eq!(sent_by("stdin", log), Some(7));
        assert_eq!(sent_by("grep", log), None);
    }

    #[test]
    fn the_fastest_round_counts() {
        let time =
            |wall, cpu| Time { wall: Duration::from_secs(wall), cpu: Duration::from_secs(cpu) };
        assert_eq!(fastest(&[time(3, 1), time(2, 4), time(5, 2)]), (2.0, 1.0));
    }
}
