//! Waits before the next request, and before another attempt.
use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

/// The time for sending after the end was requested.
pub(super) const LAST: Duration = Duration::from_secs(5);

/// The pause before the second attempt, and the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause that a receiver may ask for.
const LONGEST_DEMANDED: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest pause after the end was requested.
const LONGEST_AT_END: Duration = Duration::from_secs(1);

/// Waits that are cut short when the end is requested.
pub(super) struct OtlpWaits {
    end: watch::Receiver<bool>,
    /// The end was noticed: waits are no longer cut short.
    is_ending: bool,
    attempts: u32,
}

impl OtlpWaits {
    pub(super) fn new(end: watch::Receiver<bool>) -> Self {
        OtlpWaits { end, is_ending: false, attempts: 0 }
    }

    /// Waits this long, or until the end is requested. Returns whether it was requested.
    pub(super) async fn pause(&mut self, wait: Duration) -> bool {
        if self.is_ending {
            sleep(wait).await;
        } else if timeout(wait, self.end.wait_for(|is_ending| *is_ending)).await.is_ok() {
            self.is_ending = true;
        }
        self.is_ending
    }

    /// Whether the end was requested.
    pub(super) fn look(&mut self) -> bool {
        self.is_ending |= *self.end.borrow();
        self.is_ending
    }

    /// A request was accepted.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// Waits before another attempt: longer each time, or as long as the receiver asks for. Returns
    /// false if there is no time for another attempt before the end.
    pub(super) async fn before_another(&mut self, demanded: Option<Duration>) -> bool {
        // A day at most: a clock may not be able to represent a later moment.
        let demanded = demanded.map(|wait| wait.min(LONGEST_DEMANDED));
        let Some(wait) = demanded.filter(|wait| !wait.is_zero()) else {
            let longest = if self.is_ending { LONGEST_AT_END } else { LONGEST_PAUSE };
            self.pause(jitter(backoff(self.attempts).min(longest))).await;
            self.attempts += 1;
            return true;
        };
        let moment = Instant::now() + wait;
        self.pause(if self.is_ending { Duration::ZERO } else { wait }).await;
        if moment > Instant::now() + LAST {
            return false;
        }
        sleep_until(moment).await;
        true
    }
}

fn backoff(attempts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempts.min(10))
}

/// Varies a pause, so that many senders do not try at the same moment.
fn jitter(pause: Duration) -> Duration {
    pause.mul_f64(0.8 + 0.4 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Builder;

    fn run<R>(work: impl Future<Output = R>) -> R {
        Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
    }

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn pauses_become_longer_up_to_a_limit() {
        let pauses: Vec<_> = (0..8).map(|n| backoff(n).min(LONGEST_PAUSE).as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert!(backoff(u32::MAX) > LONGEST_PAUSE);
    }

    /// With waits of an hour: the test ends at all.
    #[test]
    fn the_end_cuts_a_wait_short_once() {
        let (end, ended) = watch::channel(false);
        let mut waits = OtlpWaits::new(ended);
        run(async {
            assert!(!waits.look());
            assert!(!waits.pause(Duration::ZERO).await);
            end.send(true).unwrap();
            assert!(waits.pause(LONG).await && waits.look());
            assert!(timeout(Duration::from_millis(20), waits.pause(LONG)).await.is_err());
        });
    }

    #[test]
    fn a_demanded_wait_beyond_the_end_is_not_waited_for() {
        let (end, ended) = watch::channel(true);
        run(async {
            assert!(!OtlpWaits::new(ended.clone()).before_another(Some(LONG)).await);
            assert!(OtlpWaits::new(ended.clone()).before_another(Some(Duration::ZERO)).await);
            assert!(OtlpWaits::new(ended).before_another(Some(Duration::from_millis(5))).await);
        });
        drop(end);
    }
}
