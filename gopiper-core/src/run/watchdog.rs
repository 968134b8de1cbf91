//! Watches components that have a timeout.
use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use crate::{
    base::clock::Clock,
    channel::wake::Wake,
    run::{
        attendance::Attendance,
        pool::{Pool, Post},
    },
    worker::take_over::take_over,
};

/// How often a call is checked during its timeout.
const LOOKS: u32 = 8;

/// Starts the thread that abandons workers that are stuck in `handle`, and replaces them; none if
/// no pool has a timeout. It ends after the workers.
pub(crate) fn start(
    pools: Vec<Arc<Pool>>,
    attendance: Arc<Attendance>,
    clock: Clock,
) -> io::Result<Option<Arc<Wake>>> {
    let pools: Vec<_> = pools.into_iter().filter(|pool| pool.stage.timeout.is_some()).collect();
    if pools.is_empty() {
        return Ok(None);
    }
    let wake = Arc::new(Wake::new(clock.clone()));
    let waits = wake.clone();
    let work = move || {
        let limits = pools.iter().filter_map(|pool| pool.stage.timeout);
        let step = limits.min().unwrap_or_default() / LOOKS;
        while !attendance.others_gone() {
            let now = clock.monotonic();
            for pool in &pools {
                look(pool, now);
            }
            waits.wait(clock.after(step.max(Duration::from_millis(1))));
        }
    };
    thread::Builder::new().name("gopiper-watch".into()).spawn(work)?;
    Ok(Some(wake))
}

/// A call is stuck if it is still the same after the timeout. Its beginning has no timestamp: that
/// would cost every call a look at the clock.
fn look(pool: &Arc<Pool>, now: i64) {
    let limit = pool.stage.timeout.map_or(i64::MAX, |limit| limit.as_nanos() as i64);
    let mut stuck = Vec::new();
    for post in &mut *pool.posts.lock() {
        let Some(number) = post.watched.running() else { continue };
        if post.seen.0 != number {
            post.seen = (number, now);
        } else if now.saturating_sub(post.seen.1) >= limit {
            stuck.push((post.clone(), number));
        }
    }
    for (post, number) in stuck {
        replace(pool, &post, number);
    }
}

fn replace(pool: &Arc<Pool>, stuck: &Post, number: u64) {
    let taken = stuck.watched.give_up(number, |called| take_over(called, &stuck.host));
    let Some((worker, begun)) = taken else { return };
    let (stage, limit) = (&pool.stage, pool.stage.timeout.unwrap_or_default());
    stage.counters.abandoned.fetch_add(1, Relaxed);
    tracing::error!(
        pipeline = &*stage.pipeline,
        component = stage.name,
        code = "worker_abandoned",
        "stuck in `handle` for {limit:?}: another worker replaces it, and its thread is abandoned"
    );
    pool.replace(stuck, worker, begun);
}
