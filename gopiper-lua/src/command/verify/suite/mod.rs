//! The tests, a file for each topic: a static list, and below it the code of each test. No test
//! loads the file or prints its verdict: it gets a loaded component, and returns a verdict.
mod attributes;
mod fuzz;
mod gates;
mod life;
mod messages;
mod process;
mod reports;
mod sources;
mod test;

pub(crate) use gates::LOADS;
pub(crate) use process::STANDARD_ERROR;
pub(crate) use test::Test;

/// All tests, in the order in which they are shown.
pub(crate) fn all() -> impl Iterator<Item = &'static Test> {
    [
        gates::TESTS,
        attributes::TESTS,
        life::TESTS,
        messages::TESTS,
        reports::TESTS,
        sources::TESTS,
        process::TESTS,
        fuzz::TESTS,
    ]
    .into_iter()
    .flatten()
}
