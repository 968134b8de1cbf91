//! A pipeline at work: its threads, from the start to the end. `worker` contains the handling of
//! messages.
pub(crate) mod attendance;
pub(crate) mod pool;
pub(crate) mod running;
pub(crate) mod start;
pub(crate) mod watchdog;
