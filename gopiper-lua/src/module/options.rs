//! The options of components and buffers.
use std::time::Duration;

use gopiper_core::{BufferOptions, ComponentOptions, OnFail, RetryPolicy, WhenFull};
use mlua::Function;

use super::table::Options;

/// The options of a component, and how often a function's window is flushed.
pub(super) type FunctionOptions = (ComponentOptions, Option<Duration>);

/// The description of a time.
const SECONDS: &str = "a number of seconds, 0 or more";
/// Nothing could keep a limit of zero.
pub(super) const SOME_SECONDS: &str = "a number of seconds, more than 0";

pub(super) fn component_options(mut given: Options<'_, '_>) -> ComponentOptions {
    let options = take_component_options(&mut given);
    given.finish();
    options
}

/// The options of a function: those of a component, and how often its window is flushed.
pub(super) fn function_options(mut given: Options<'_, '_>) -> FunctionOptions {
    let options = take_component_options(&mut given);
    let every: Option<Duration> = given.take("every", SOME_SECONDS);
    let every = every.filter(|every| {
        if every.is_zero() {
            given.wrong("every", format!("option every: expected {SOME_SECONDS}, not 0"));
        }
        !every.is_zero()
    });
    let flush: Option<Function> = given.take("flush", "a function");
    match (given.has("every"), given.has("flush")) {
        (true, false) => given.wrong("every", "option every: needs the option flush (a function)"),
        (false, true) => {
            given.wrong("flush", "option flush: needs the option every (seconds)");
        }
        _ => {}
    }
    given.finish();
    (options, every.filter(|_| flush.is_some()))
}

fn take_component_options(given: &mut Options<'_, '_>) -> ComponentOptions {
    ComponentOptions {
        name: given.take("name", "a string"),
        pool_size: given.take("pool_size", "a whole number"),
        channel_size: given.take("channel_size", "a whole number"),
        channel_bytes: given.take("channel_bytes", "a whole number"),
        ordered: given.take("ordered", "true or false"),
        partition_by: given.take("partition_by", "a string"),
        timeout: given.take("timeout", SOME_SECONDS),
        linger: given.take("linger", SECONDS),
        retry: retry(given.nested("retry")),
        on_fail: given.one_of(
            "on_fail",
            &[
                ("dead_letter", OnFail::DeadLetter),
                ("discard", OnFail::Discard),
                ("stop", OnFail::Stop),
            ],
        ),
    }
}

fn retry(mut given: Options<'_, '_>) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    let attempts = given.take("max_attempts", "a whole number from 1 to 65535");
    policy.max_attempts = attempts.unwrap_or(policy.max_attempts);
    let first = given.take("initial_backoff", SECONDS);
    policy.initial_backoff = first.unwrap_or(policy.initial_backoff);
    policy.max_backoff = given.take("max_backoff", SECONDS).unwrap_or(policy.max_backoff);
    given.finish();
    policy
}

pub(super) fn buffer_options(mut given: Options<'_, '_>) -> BufferOptions {
    let default = BufferOptions::default();
    let words = [("block", WhenFull::Block), ("drop_newest", WhenFull::DropNewest)];
    let options = BufferOptions {
        name: given.take("name", "a string"),
        max_bytes: given.take("max_bytes", "a whole number of bytes").unwrap_or(default.max_bytes),
        when_full: given.one_of("when_full", &words).unwrap_or(default.when_full),
    };
    given.finish();
    options
}
