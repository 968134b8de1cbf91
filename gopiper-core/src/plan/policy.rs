//! The operator's policies: for messages that failed, and for a tee's branch that is slow or fails.
use std::time::Duration;

/// The treatment of a message that has failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFail {
    /// It is kept with the dead letters.
    DeadLetter,
    /// It is discarded; its source learns that it failed.
    Discard,
    /// The pipeline stops, and the message returns to its source.
    Stop,
}

/// How often and when a component gets a message again after a Retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often it gets the message at most, the first time included.
    pub max_attempts: u16,
    /// How long the second attempt waits; each further one waits twice as long as the one before.
    pub initial_backoff: Duration,
    /// How long an attempt waits at most.
    pub max_backoff: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            max_attempts: 5,
            initial_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(10),
        }
    }
}

impl RetryPolicy {
    /// How long to wait before attempt `attempt` (2 is the first one that waits). Half of it is
    /// random, so that messages that failed together do not come back together.
    pub(crate) fn backoff(&self, attempt: u16) -> Duration {
        let doublings = u32::from(attempt.saturating_sub(2)).min(32);
        let full =
            self.initial_backoff.saturating_mul(1 << doublings.min(31)).min(self.max_backoff);
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

/// The effect on the other branches of a tee when one is slow, or fails. To make its messages wait
/// on disk, begin the branch with a [`Step::Buffer`](crate::Step::Buffer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum BranchPolicy {
    /// They wait for it.
    #[default]
    Block,
    /// They don't: messages for which it has no room are dropped there, and counted.
    Drop,
    /// They are independent of it: it gets the messages for which it has room, their outcomes have
    /// no effect, and when one of its components fails, it ends alone.
    Detach,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backoff_doubles_up_to_its_cap_and_half_of_it_is_random() {
        let policy = RetryPolicy {
            max_attempts: 100,
            initial_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_millis(1500),
        };
        for (attempt, full) in
            [(2, 100), (3, 200), (4, 400), (6, 1500), (60, 1500), (u16::MAX, 1500)]
        {
            let full = Duration::from_millis(full);
            for _ in 0..50 {
                let backoff = policy.backoff(attempt);
                assert!(backoff >= full / 2 && backoff <= full, "{attempt}: {backoff:?}");
            }
        }
    }
}
