//! A pipeline at work: its threads, from the start to the end. What a thread does with messages is in `worker`.
pub(crate) mod attendance;
pub(crate) mod pool;
pub(crate) mod running;
pub(crate) mod start;
pub(crate) mod watchdog;
