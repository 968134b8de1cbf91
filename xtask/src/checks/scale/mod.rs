//! Equal processes on one work queue of JetStream: how much faster several are than one, and that
//! nothing is lost when processes and servers are killed.
//!
//! Each process reads the work queue through the same durable consumer, and publishes what it has
//! made to another stream, with the identity of the message as its id. In the end that stream has
//! each message; those that are there twice are explained one by one, or the check fails.

mod load;
mod processes;
mod server;

use std::fmt;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use rustix::process::Signal;

use self::load::{Load, Results};
use self::processes::{Processes, Transform};
use self::server::Cluster;
use crate::checks::{needs, test};
use crate::run::Built;
use crate::workspace::target_folder;

/// Longer than anything takes, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(240);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many messages each part has
    #[arg(long, default_value_t = 12_000, value_parser = clap::value_parser!(u64).range(1000..))]
    messages: u64,
    /// The seed of everything random [default: random]
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) fn scale(args: &Args) -> Result<()> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("seed={seed}");
    run(&test::built()?, args.messages, seed)
}

/// The same each time.
pub(crate) fn check(built: &Built) -> Result<()> {
    run(built, 12_000, 0)
}

fn run(built: &Built, messages: u64, seed: u64) -> Result<()> {
    let fetched = needs::fetch(&std::env::var_os("PATH").unwrap_or_default())?;
    let binary = fetched.python.join("bin/nats-server");
    let folder = target_folder()?.join("scale");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let setting = Setting { built, binary: &binary, folder: &folder };
    let waiting = rates(&setting, Transform::Waits, &[1, 2, 4], messages)?;
    let gain = waiting[2] / waiting[0];
    println!("a transform that waits 1 ms: 4 processes have {gain:.2} times the rate of one");
    ensure!(gain >= 3.5, "4 processes have only {gain:.2} times the rate of one; 3.5 is the least");
    let busy = rates(&setting, Transform::Works, &[1, 2], messages)?;
    println!(
        "a transform that works 1 ms: 2 processes have {:.2} times the rate of one",
        busy[1] / busy[0]
    );
    let mut random = Rng::with_seed(seed);
    let cluster = in_trouble(&setting, 3, messages, &mut random)?;
    println!("three servers, one killed at a time: {cluster}");
    let all = in_trouble(&setting, 1, messages, &mut random)?;
    println!("{all}");
    Ok(())
}

struct Setting<'a> {
    built: &'a Built,
    binary: &'a Path,
    folder: &'a Path,
}

impl Setting<'_> {
    fn start(&self, name: &str, servers: usize, messages: u64) -> Result<(Cluster, Load)> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        let cluster = Cluster::start(self.binary, &folder, servers)?;
        let load = Load::new(&cluster.urls(), servers)?;
        load.publish(messages)?;
        Ok((cluster, load))
    }

    fn processes(
        &self,
        name: &str,
        cluster: &Cluster,
        transform: Transform,
    ) -> Result<Processes<'_>> {
        Processes::new(self.built, &self.folder.join(name), &cluster.urls(), transform)
    }
}

/// The rates of so many processes, in messages a second.
fn rates(
    setting: &Setting,
    transform: Transform,
    counts: &[usize],
    messages: u64,
) -> Result<Vec<f64>> {
    let mut rates = Vec::new();
    for count in counts {
        let name = format!("{}-{count}", transform.name());
        let (cluster, load) = setting.start(&name, 1, messages)?;
        let before = cluster.cpu_time()?;
        let mut processes = setting.processes(&name, &cluster, transform)?;
        for _ in 0..*count {
            processes.start()?;
        }
        // The first ones show that all are at work: they start within a moment.
        let first = messages / 10;
        wait_for(&load, first)?;
        let (begun, of_begin) = (Instant::now(), load.done()?);
        wait_for(&load, messages - messages / 10)?;
        let took = begun.elapsed();
        let rate = (load.done()? - of_begin) as f64 / took.as_secs_f64();
        wait_for(&load, messages)?;
        processes.stop()?;
        let share = (cluster.cpu_time()? - before).as_secs_f64() / messages as f64;
        println!(
            "{}: processes={count} rate={rate:.0}/s server_cpu={:.0} µs a message",
            transform.name(),
            share * 1e6
        );
        let results = load.results()?;
        ensure!(results.is_right(messages), "{results:?}");
        rates.push(rate);
    }
    Ok(rates)
}

fn wait_for(load: &Load, messages: u64) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    // While a server is restarted, nothing is known.
    while load.done().unwrap_or(0) < messages {
        ensure!(Instant::now() < until, "only {:?} messages have come", load.done());
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// What happened to the messages.
struct Tally {
    processes: usize,
    messages: u64,
    lost: u64,
    duplicated: u64,
    redelivered: u64,
    rate: f64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { processes, messages, lost, duplicated, redelivered, rate } = self;
        write!(
            f,
            "processes={processes} messages={messages} lost={lost} duplicated={duplicated} \
             redelivered={redelivered} rate={rate:.0}"
        )
    }
}

/// Two processes and so many servers, of which one or the other is killed all the time.
fn in_trouble(setting: &Setting, servers: usize, messages: u64, random: &mut Rng) -> Result<Tally> {
    let name = format!("trouble-{servers}");
    let (mut cluster, load) = setting.start(&name, servers, messages)?;
    let mut processes = setting.processes(&name, &cluster, Transform::Waits)?;
    for _ in 0..2 {
        processes.start()?;
    }
    let (begun, mut troubles) = (Instant::now(), Vec::new());
    let mut turn = 0;
    while load.done().unwrap_or(0) < messages {
        ensure!(begun.elapsed() < PATIENCE, "it does not end: {:?}", load.done());
        thread::sleep(Duration::from_millis(random.u64(600..1400)));
        let what = match turn % 3 {
            0 | 1 => processes.replace_one(random)?,
            _ => {
                let signal = if random.bool() { Signal::KILL } else { Signal::TERM };
                cluster.restart_one(signal, random)?
            }
        };
        troubles.push((begun.elapsed(), what));
        turn += 1;
    }
    let rate = messages as f64 / begun.elapsed().as_secs_f64();
    processes.stop()?;
    let results = load.results()?;
    for (id, places) in results.twice() {
        let when = load.times(places)?;
        println!("{id} is there twice: {when:?}; {troubles:?}");
    }
    let tally = Tally {
        processes: processes.started(),
        messages,
        lost: messages - results.different(),
        duplicated: results.all() - results.different(),
        redelivered: load.redelivered()?,
        rate,
    };
    ensure!(tally.lost == 0, "{tally}");
    // Its ids are in the window of the stream, which is longer than this takes.
    let explained = tally.duplicated == 0;
    ensure!(explained, "{tally}: the stream has messages twice within its duplicate window");
    Results::check_content(&results).context("a message has another content")?;
    Ok(tally)
}
