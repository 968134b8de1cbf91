//! A pipeline that is killed at any moment, and a machine that loses its power, again and again.
//! Odd input, rotated files and signals that drain belong to `nights`.
//!
//! It runs files → faults → buffer → file until the input is through. Then every line is in the
//! output or among the dead letters, byte for byte, and none of them twice, except lines past the
//! checkpoint, or not yet forgotten by the buffer, at a kill (`bound.rs`). Half of the kills are
//! chosen by time, the others by the change of a file at which the program dies, in the middle of a
//! write. In half of the rounds the machine loses its power too: `shim.c`, loaded into the program,
//! writes down how to undo each change below a folder, and each sync. `disk.rs` takes back changes
//! that were not synced, by the letter of POSIX: a name is there when its folder was synced. A
//! round fails if something was written that the shim did not see. In other rounds the disk is
//! full, no file can be opened, or the sink's folder is elsewhere, for a while. `--leave-out
//! PATTERN` makes a sync do nothing, which must be noticed. A round that fails is kept and can be
//! run again by its seed. With `--exactly-once` there is no buffer, and the sink keeps what it has
//! written: then no line may be in the output twice.

mod account;
mod bound;
mod buffer;
mod disk;
mod input;
mod pipeline;
mod round;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, bail};

use self::account::Tally;
use self::disk::compile_shim;
use self::pipeline::Promise;
use self::round::{Round, Setting};
use crate::checks::rounds::Rounds;
use crate::plugins;
use crate::run::{self, Built};
use crate::workspace::{own_metadata, target_folder};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    rounds: Rounds,
    /// A pipeline that writes each line exactly once, instead of one with a buffer
    #[arg(long)]
    exactly_once: bool,
    #[command(flatten)]
    syncs: SyncOptions,
}

/// The treatment of syncs.
#[derive(Default, clap::Args)]
struct SyncOptions {
    /// Leave out the syncs that match this pattern: a round must fail, or they are not needed. With
    /// 'all', leave out each kind in turn: a round must fail each time
    #[arg(long, value_name = "SYNC")]
    leave_out: Option<String>,
    /// Show what the program syncs, as patterns for --leave-out
    #[arg(long)]
    list_syncs: bool,
}

pub(crate) fn chaos(args: &Args) -> Result<()> {
    let promise = if args.exactly_once { Promise::ExactlyOnce } else { Promise::AtLeastOnce };
    run(&built()?, args.rounds.seed(), args.rounds.count, promise, &args.syncs)
}

/// The same rounds each time.
pub(crate) fn check(built: &Built, rounds: u64) -> Result<()> {
    run(built, 0, rounds, Promise::AtLeastOnce, &SyncOptions::default())
}

/// The same of a pipeline that writes each line exactly once, until it was killed so often.
pub(crate) fn check_exactly_once(built: &Built, kills: u64) -> Result<()> {
    let mut tally = Tally::default();
    let folder = target_folder()?.join("chaos");
    let (shim, folder) = (compile_shim(&folder)?, folder.join("once"));
    let promise = Promise::ExactlyOnce;
    let setting = Setting { built, shim: &shim, folder: &folder, leave_out: None, promise };
    for seed in 0.. {
        tally.add(rounds(&setting, seed, 1)?.0);
        if tally.kills >= kills {
            break;
        }
    }
    println!("{tally}");
    Ok(())
}

/// With a release program, as a user has it.
fn built() -> Result<Built> {
    let metadata = own_metadata()?;
    let components = plugins::named(&metadata, pipeline::COMPONENTS)?;
    run::release(&components, metadata.target_directory.join("chaos/plugins").into())
}

fn run(built: &Built, seed: u64, count: u64, promise: Promise, syncs: &SyncOptions) -> Result<()> {
    let folder = target_folder()?.join("chaos");
    let (shim, folder) = (compile_shim(&folder)?, folder.join("rounds"));
    let setting = Setting { built, shim: &shim, folder: &folder, leave_out: None, promise };
    match syncs.leave_out.as_deref() {
        _ if syncs.list_syncs => {
            rounds(&setting, seed, count)?.1.iter().for_each(|sync| println!("{sync}"));
            Ok(())
        }
        Some("all") => leave_out_each(&setting, seed, count),
        leave_out => {
            let setting = Setting { leave_out, ..setting };
            let (tally, _) = rounds(&setting, seed, count)?;
            println!("rounds={count} {tally}");
            Ok(())
        }
    }
}

/// Also returns the syncs. Ends at the first round that fails.
fn rounds(setting: &Setting, seed: u64, count: u64) -> Result<(Tally, BTreeSet<String>)> {
    let (mut all, mut syncs) = (Tally::default(), BTreeSet::new());
    for number in 0..count {
        let seed = seed.wrapping_add(number);
        let mut round = Round::new(setting, seed)?;
        let tally = round.run().with_context(|| {
            let folder = round.folder().display();
            format!(
                "round {number} ({round}) failed: --seed {seed} --rounds 1; it is kept in {folder}"
            )
        })?;
        eprintln!("seed {seed}: {round}: {tally}");
        syncs.extend(round.syncs()?);
        all.add(tally);
        fs::remove_dir_all(round.folder())?;
    }
    Ok((all, syncs))
}

fn leave_out_each(setting: &Setting, seed: u64, count: u64) -> Result<()> {
    let (_, syncs) = rounds(setting, seed, count)?;
    let mut missed = 0;
    for sync in &syncs {
        let setting = Setting { leave_out: Some(sync), ..*setting };
        let end = match rounds(&setting, seed, count) {
            Err(error) => error.root_cause().to_string(),
            Ok(_) => {
                missed += 1;
                "NOT NOTICED".to_owned()
            }
        };
        println!("{sync:40} {}", end.lines().next().unwrap_or_default());
        // The files of a round that had to fail are not needed any more.
        fs::remove_dir_all(setting.folder)?;
    }
    if missed > 0 {
        bail!("{missed} of {} kinds of syncs can be left out unnoticed", syncs.len());
    }
    println!("each of {} kinds of syncs is needed", syncs.len());
    Ok(())
}
