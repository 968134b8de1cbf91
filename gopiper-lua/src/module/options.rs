//! The options of components and buffers.
use gopiper_core::{BufferOptions, ComponentOptions, OnFail, RetryPolicy, WhenFull};
use mlua::Table;

use super::table::{for_each_option, one_of, option, shown};

/// What a time is written as.
const SECONDS: &str = "a number of seconds, 0 or more";
/// A limit of no time at all would be one that nothing keeps.
pub(super) const SOME_SECONDS: &str = "a number of seconds, more than 0";

pub(super) fn component_options(table: &Table) -> Result<ComponentOptions, String> {
    let mut options = ComponentOptions::default();
    let known = [
        "name",
        "pool_size",
        "channel_size",
        "channel_bytes",
        "ordered",
        "partition_by",
        "timeout",
        "linger",
        "retry",
        "on_fail",
    ];
    for_each_option(table, &known, |key, value| {
        match key {
            "name" => options.name = Some(option(key, value, "a string")?),
            "pool_size" => options.pool_size = Some(option(key, value, "a whole number")?),
            "channel_size" => options.channel_size = Some(option(key, value, "a whole number")?),
            "channel_bytes" => options.channel_bytes = Some(option(key, value, "a whole number")?),
            "ordered" => options.ordered = Some(option(key, value, "true or false")?),
            "partition_by" => options.partition_by = Some(option(key, value, "a string")?),
            "timeout" => options.timeout = Some(option(key, value, SOME_SECONDS)?),
            "linger" => options.linger = Some(option(key, value, SECONDS)?),
            "retry" => options.retry = retry(&option(key, value, "a table")?)?,
            "on_fail" => {
                let words = [
                    ("dead_letter", OnFail::DeadLetter),
                    ("discard", OnFail::Discard),
                    ("stop", OnFail::Stop),
                ];
                options.on_fail = Some(one_of(key, &value, &words)?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(options)
}

fn retry(table: &Table) -> Result<RetryPolicy, String> {
    let mut policy = RetryPolicy::default();
    for_each_option(table, &["max_attempts", "initial_backoff", "max_backoff"], |key, value| {
        match key {
            "max_attempts" => {
                let shown = shown(&value);
                let attempts: usize = option("retry.max_attempts", value, "a whole number")?;
                policy.max_attempts = attempts.try_into().map_err(|_| {
                    format!("option retry.max_attempts: expected 1 to 65535, not {shown}")
                })?;
            }
            "initial_backoff" => {
                policy.initial_backoff = option("retry.initial_backoff", value, SECONDS)?
            }
            "max_backoff" => policy.max_backoff = option("retry.max_backoff", value, SECONDS)?,
            _ => return Ok(false),
        }
        Ok(true)
    })
    .map_err(|error| error.replace("there is no option '", "there is no option 'retry."))?;
    Ok(policy)
}

pub(super) fn buffer_options(table: Table) -> Result<BufferOptions, String> {
    let mut options = BufferOptions::default();
    for_each_option(&table, &["name", "max_bytes", "when_full"], |key, value| {
        match key {
            "name" => options.name = Some(option(key, value, "a string")?),
            "max_bytes" => {
                let bytes: usize = option(key, value, "a whole number of bytes")?;
                options.max_bytes = bytes as u64;
            }
            "when_full" => {
                options.when_full = one_of(
                    key,
                    &value,
                    &[("block", WhenFull::Block), ("drop_newest", WhenFull::DropNewest)],
                )?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(options)
}
