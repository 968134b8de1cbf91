//! The measurements, with their references and targets.

mod brokers;
mod lines;
mod records;

pub(super) use self::lines::PASS;

use super::row::Row;

/// All of them, in the order in which they run.
pub(super) fn all() -> impl Iterator<Item = &'static Row> {
    lines::ROWS.iter().chain(records::ROWS).chain(brokers::ROWS)
}
