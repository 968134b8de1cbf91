//! Pipelines measured against the commands that they replace. Whole programs are measured, from
//! outside: no function of gopiper by itself.
//!
//! The bench makes its own input (10 million lines, the same for everyone). A table (`rows.rs`)
//! lists each measurement, its reference and its target. In each round the reference runs, then
//! ours, then the reference again: the same ratio of the reference against itself shows the noise.
//! The best round counts. The bench ends with 0 even if a row misses its target, and writes
//! `bench.json` and `bench.svg` under `target/bench`.

mod answers;
mod asked;
mod brokers;
mod commands;
mod measured;
mod pipelines;
mod plot;
mod row;
mod rows;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::thread::available_parallelism;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use self::brokers::{Broker, Programs, Running};
use self::commands::Commands;
use self::measured::Measured;
use self::pipelines::{ALL_FAIL, FILE_TO_NULL, FILES, lua};
use self::row::{How, Input, Row};
use self::rows::PASS;
use crate::checks::access_log::{self, Format};
use crate::checks::needs;
use crate::plugins;
use crate::run::{self, Built};
use crate::workspace::{Cargo, own_metadata, root, succeed, target_folder};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rows to measure [default: all]
    rows: Vec<String>,
    /// Lines of input
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(100..))]
    lines: u64,
    /// Rounds, of which the fastest counts
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Another checkout, where `cargo xtask bench --lines 100` has run: each row is measured
    /// against the same row of it
    #[arg(long, value_name = "FOLDER")]
    against: Option<PathBuf>,
}

pub(crate) fn bench(args: &Args) -> Result<()> {
    let mut rows = chosen(&args.rows)?;
    let folder = target_folder()?.join("bench");
    let built = run::release_of_all()?;
    let brokers: Vec<_> = rows.iter().filter_map(|row| row.how.broker()).collect();
    build_components(&brokers, measured_components(&built))?;
    let stage = example("gopiper-core", STAGE_PROGRAM)?;
    for broker in &brokers {
        let (package, name) = broker.example();
        example(package, name)?;
    }
    let examples = stage.parent().context("examples are in a folder")?.to_owned();
    let programs = Programs { brokers: needs::python()?, examples };
    let ours = copied((built, stage), &folder.join("ours"))?;
    let static_server = example("gopiper-lua", "bench_static")?;
    let mut bench = Bench::new(ours, static_server, programs, folder, (args.lines, args.rounds))?;
    if let Some(other) = &args.against {
        bench.against = Some(copied(built_in(other)?, &bench.folder.join("other"))?);
        rows = rows.into_iter().map(Row::side_by_side).collect();
    }
    bench.run(&rows)
}

/// The program, the components and the example of another checkout.
fn built_in(checkout: &Path) -> Result<(Built, PathBuf)> {
    let target = fs::canonicalize(checkout)?.join("target");
    let program = target.join("release/gopiper");
    let stage = target.join("release/examples").join(STAGE_PROGRAM);
    let plugins = target.join("plugins");
    for path in [&program, &stage, &plugins.join("stdin_component.so")] {
        if !path.exists() {
            let folder = checkout.display();
            bail!(
                "no {}: run `cargo xtask bench --lines 100 --rounds 1` in {folder}",
                path.display()
            );
        }
    }
    Ok((Built { program, plugins }, stage))
}

/// A copy of a build. The page cache holds what a linker has written in smaller pieces than a copy,
/// or than a file read from disk: that alone makes a start up to 15 percent slower, and differs
/// between two checkouts.
fn copied((built, stage): (Built, PathBuf), folder: &Path) -> Result<(Built, PathBuf)> {
    let plugins = folder.join("plugins");
    fs::create_dir_all(&plugins)?;
    let copy = |from: &Path, to: &Path| -> Result<PathBuf> {
        let to = to.join(from.file_name().context("a file has a name")?);
        fs::copy(from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        Ok(to)
    };
    let measured = measured_components(&built);
    // An older checkout has none.
    for from in [&built.plugins, &measured].into_iter().filter(|from| from.is_dir()) {
        for plugin in fs::read_dir(from)? {
            let plugin = plugin?.path();
            if plugin.extension().is_some_and(|extension| extension == "so") {
                copy(&plugin, &plugins)?;
            }
        }
    }
    let program = copy(&built.program, folder)?;
    Ok((Built { program, plugins }, copy(&stage, folder)?))
}

fn chosen(names: &[String]) -> Result<Vec<&'static Row>> {
    if let Some(name) = names.iter().find(|name| !rows::all().any(|row| row.name == **name)) {
        let known: Vec<_> = rows::all().map(|row| row.name).collect();
        bail!("no row '{name}'; there are: {}", known.join(", "));
    }
    let wanted = |row: &&Row| names.is_empty() || names.iter().any(|name| name == row.name);
    Ok(rows::all().filter(wanted).collect())
}

/// The program of a row's reference that is not on this machine.
fn missing(row: &Row) -> Option<&'static str> {
    let wanted = |program: &&str| row.reference.split_whitespace().any(|word| word == *program);
    let is_missing = |program: &&str| {
        let mut command = Command::new(program);
        command.arg("1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_err()
    };
    ["mawk", "jq", "luajit"].into_iter().filter(wanted).find(is_missing)
}

/// The folder of components that only the benchmark uses, beside that of a build.
fn measured_components(built: &Built) -> PathBuf {
    built.plugins.with_file_name("bench").join("components")
}

/// Builds the components that only the benchmark uses.
fn build_components(brokers: &[Broker], out: PathBuf) -> Result<()> {
    let metadata = own_metadata()?;
    let mut names = vec!["attributes"];
    names.extend(brokers.iter().flat_map(|broker| broker.components()));
    names.sort_unstable();
    names.dedup();
    run::release(&plugins::named(&metadata, &names)?, out)?;
    Ok(())
}

const STAGE_PROGRAM: &str = "bench_stage";

/// An example of a package.
fn example(package: &str, name: &str) -> Result<PathBuf> {
    let cargo = Cargo::new().release(true).quiet_when_fresh();
    let artifacts = cargo.build(&["-p", package, "--example", name])?;
    let program = artifacts
        .into_iter()
        .filter(|artifact| artifact.target.name == name)
        .find_map(|artifact| artifact.executable);
    Ok(program.with_context(|| format!("cargo built no example '{name}'"))?.into())
}

struct Bench {
    built: Built,
    /// The example of gopiper-core.
    stage: PathBuf,
    /// The alternative to each row's reference: another build, and its example.
    against: Option<(Built, PathBuf)>,
    /// The example of gopiper-lua.
    static_server: PathBuf,
    /// The program in C.
    dlopen: PathBuf,
    programs: Programs,
    folder: PathBuf,
    lines: u64,
    rounds: u32,
}

impl Bench {
    fn new(
        (built, stage): (Built, PathBuf),
        static_server: PathBuf,
        programs: Programs,
        folder: PathBuf,
        (lines, rounds): (u64, u32),
    ) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let dlopen = folder.join("dlopen");
        let source = root().join("xtask/src/checks/bench/dlopen.c");
        succeed(Command::new("cc").args(["-O2", "-o"]).arg(&dlopen).arg(source).arg("-ldl"))?;
        let against = None;
        Ok(Self { built, stage, against, static_server, dlopen, programs, folder, lines, rounds })
    }

    fn run(&self, rows: &[&'static Row]) -> Result<()> {
        let mut measured = Vec::new();
        for row in rows {
            if let Some(program) = missing(row) {
                eprintln!("{program} is not installed: skipping row {}", row.name);
                continue;
            }
            let one = self.measure(row)?;
            one.print();
            measured.push(one);
        }
        let title = format!("gopiper, {} lines, best of {} rounds", self.lines, self.rounds);
        self.write("bench.svg", &plot::svg(&measured, &title))?;
        let report = json!({
            "lines": self.lines,
            "cores": available_parallelism()?,
            "rounds": self.rounds,
            "rows": measured.iter().map(Measured::record).collect::<Vec<_>>(),
        });
        self.write("bench.json", &format!("{report:#}\n"))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("{}", file.display());
        Ok(())
    }

    fn measure(&self, row: &'static Row) -> Result<Measured> {
        // State of another row would cause warnings.
        let scratch = self.scratch();
        if scratch.exists() {
            fs::remove_dir_all(&scratch)?;
        }
        let input = self.input(row.input)?;
        let broker = self.broker(row.how, &scratch)?;
        let commands = |built, stage| {
            let commands = self.commands(row, &input, built, stage)?;
            anyhow::Ok(Commands { broker: broker.clone(), ..commands })
        };
        let others = match &self.against {
            Some((built, stage)) => Some(commands(built, stage)?),
            None => None,
        };
        let commands = commands(&self.built, &self.stage)?;
        let reference = others.as_ref().unwrap_or(&commands);
        // First, because it also shows that the pipeline works, which a shell's `|` hides.
        let counts = match row.between {
            Some(_) => Some((self.messages(row, &commands)?, lines(&commands)?)),
            None => None,
        };
        if let How::Answers(_) = row.how {
            // The reference needs an answer.
            commands.run(row.how, row.ours)?;
        }
        Measured::new(row, (reference, &commands), self.rounds, self.lines, counts)
    }

    fn broker(&self, how: How, folder: &Path) -> Result<Option<Rc<Running>>> {
        let How::Between(traffic) = how else { return Ok(None) };
        let messages = (self.lines / 20).max(10);
        Ok(Some(Rc::new(Running::start(&self.programs, traffic, folder, messages)?)))
    }

    fn input(&self, input: Input) -> Result<PathBuf> {
        let Input::Requests(format) = input else { return Ok("/dev/null".into()) };
        let name = match format {
            Format::AccessLog => format!("access-{}.log", self.lines),
            Format::Json => format!("access-{}.json", self.lines),
        };
        let file = self.folder.join(name);
        if !file.exists() {
            eprintln!("writing {}…", file.display());
            access_log::write_file(&file, format, self.lines)?;
        }
        Ok(file)
    }

    fn commands(&self, row: &Row, input: &Path, built: &Built, stage: &Path) -> Result<Commands> {
        let pipeline = self.folder.join(format!("{}.lua", row.name));
        fs::write(&pipeline, lua(row.between.unwrap_or_default()))?;
        let nothing_between = self.folder.join("nothing-between.lua");
        fs::write(&nothing_between, lua(&[]))?;
        let files = self.folder.join("files.lua");
        fs::write(&files, FILES)?;
        let file_to_null = self.folder.join("file-to-null.lua");
        fs::write(&file_to_null, FILE_TO_NULL)?;
        let all_fail = self.folder.join("all-fail.lua");
        fs::write(&all_fail, ALL_FAIL)?;
        let between_brokers = self.folder.join("between-brokers.lua");
        if let Some(broker) = row.how.broker() {
            fs::write(&between_brokers, broker.pipeline())?;
        }
        let many = self.folder.join("many.lua");
        fs::write(&many, lua(&[PASS; 198]))?;
        let scratch = self.scratch();
        let plugin = |name| built.plugins.join(format!("{name}_component.so")).into();
        Ok(Commands {
            variables: vec![
                ("INPUT", input.into()),
                ("LINES", self.lines.to_string().into()),
                ("GOPIPER", built.program.clone().into()),
                ("GOPIPER_COMPONENT_PATH", built.plugins.clone().into()),
                ("PIPELINE", pipeline.into()),
                ("NOTHING_BETWEEN", nothing_between.into()),
                ("FILES", files.into()),
                ("FILE_TO_NULL", file_to_null.into()),
                ("ALL_FAIL", all_fail.into()),
                ("GOPIPER_STATE_DIR", scratch.join("state").into()),
                ("SCRATCH", scratch.into()),
                ("STAGE", stage.into()),
                ("MANY", many.into()),
                ("BETWEEN_BROKERS", between_brokers.into()),
                ("STATIC", self.static_server.clone().into()),
                ("ANSWER", self.folder.join("answer.txt").into()),
                ("DLOPEN", self.dlopen.clone().into()),
                ("STDIN", plugin("stdin")),
                ("STDOUT", plugin("stdout")),
                ("GREP", plugin("grep")),
            ],
            echoes: self.lines.min(2000) as u32,
            asks: (self.lines / 10).clamp(10, 1000) as u32,
            broker: None,
        })
    }

    /// The folder that a row writes to, on the same disk as the input.
    fn scratch(&self) -> PathBuf {
        self.folder.join("scratch")
    }

    fn messages(&self, row: &Row, commands: &Commands) -> Result<u64> {
        let file = self.folder.join(format!("{}.log", row.name));
        let status = commands.shell(COUNTED).stderr(File::create(&file)?).status()?;
        let log = fs::read_to_string(&file)?;
        if !status.success() {
            bail!("{} failed ({status}):\n{log}", row.name);
        }
        sent_by(SOURCE, &log)
            .with_context(|| format!("{} does not say what '{SOURCE}' sent", file.display()))
    }
}

/// Once more, with what it counted on standard error.
const COUNTED: &str = r#""$GOPIPER" run -v --log-format json "$PIPELINE" < "$INPUT""#;
const SOURCE: &str = "stdin";

fn lines(commands: &Commands) -> Result<u64> {
    let output = commands.shell(r#"wc -l < "$INPUT""#).stdout(Stdio::piped()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().context("wc -l counts no lines")
}

/// The count that a component logged at its end, in a log of JSON lines.
fn sent_by(component: &str, log: &str) -> Option<u64> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|entry| entry["message"] == "component finished" && entry["component"] == component)
        .and_then(|entry| entry["sent"].as_u64())
}
