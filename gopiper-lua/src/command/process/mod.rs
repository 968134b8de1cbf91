//! The program as a process: its exit codes, its signals, its standard streams, and its end by a
//! component. No command is known here: all of them use this folder.
pub(crate) mod exit;
pub(crate) mod shared_process;
pub(crate) mod signals;
pub(crate) mod standard;
