//! The state of the server: the process, its readiness, events, and replays of dead letters.
//! Nothing here answers a request.
pub(in crate::command::http) mod readiness;
pub(in crate::command::http) mod replays;
pub(in crate::command::http) mod served;
pub(in crate::command::http) mod shared;
