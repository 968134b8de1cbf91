//! Random mixes of what happens on a bad night: odd lines, rotated files, odd environments,
//! signals, limits. Each message must come out once, in order, and no process may end in any other
//! way than it was asked to. Nothing is killed here, so no message may come twice: kills and lost
//! power belong to `chaos`.

mod environment;
mod lines;
mod logs;
mod night;
mod pipeline;

use std::fs;

use anyhow::{Context, Result};

use self::night::Night;
use crate::checks::rounds::Rounds;
use crate::run::{self, Built};
use crate::workspace::target_folder;

pub(crate) fn nights(nights: &Rounds) -> Result<()> {
    run(&run::release_of_all()?, nights.seed(), nights.count)
}

/// The same nights each time.
pub(crate) fn check(built: &Built, rounds: u64) -> Result<()> {
    run(built, 0, rounds)
}

fn run(built: &Built, seed: u64, rounds: u64) -> Result<()> {
    let folder = target_folder()?.join("nights");
    fs::create_dir_all(&folder)?;
    let launcher = environment::compile_launcher(&folder)?;
    let (mut messages, mut failed) = (0, 0);
    for number in 0..rounds {
        let seed = seed.wrapping_add(number);
        let folder = folder.join(format!("night-{seed}"));
        let mut night = Night::new(built, &launcher, &folder, seed)?;
        let found = night.run().with_context(|| {
            let folder = folder.display();
            format!(
                "night {number} ({night}) failed: --seed {seed} --rounds 1; it is kept in {folder}"
            )
        })?;
        eprintln!("night {number}: {night}: {} written, {} failed", found.written, found.failed);
        messages += found.written + found.failed;
        failed += found.failed;
        fs::remove_dir_all(&folder)?;
    }
    // A line that is lost, doubled or out of order has ended this with an error.
    println!("nights={rounds} messages={messages} failed={failed}");
    Ok(())
}
