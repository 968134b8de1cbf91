//! The pipeline that is killed: its components, and the places of its files.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fastrand::Rng;

use super::buffer;
use super::disk::files_in;

/// The packages of its components.
pub(super) const COMPONENTS: &[&str] = &["file_source", "faults", "file_sink"];

pub(super) const INPUT: &str = "in";
pub(super) const OUTPUT: &str = "out";
pub(super) const STATE: &str = "state";

/// What the pipeline promises for the lines that it writes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Promise {
    /// Through a buffer.
    AtLeastOnce,
    /// Directly into a file whose sink keeps what it has written.
    ExactlyOnce,
}

/// Its Lua file. With small channels there is little under way, and much to sync.
pub(super) fn lua(disk: &Path, inputs: &[String], promise: Promise, random: &mut Rng) -> String {
    let path = |folder: &str, name: &str| format!("'{}'", disk.join(folder).join(name).display());
    let paths: Vec<_> = inputs.iter().map(|name| path(INPUT, name)).collect();
    let (paths, output) = (paths.join(", "), path(OUTPUT, "out.log"));
    let mut channel_size = || 16 << random.u32(0..7);
    let (transform, sink) = (channel_size(), channel_size());
    let (between, of_sink) = match promise {
        Promise::ExactlyOnce => (String::new(), ", exactly_once = true"),
        Promise::AtLeastOnce => {
            (format!("  gopiper.buffer({{ max_bytes = {} }}),\n", 1 << random.u32(14..20)), "")
        }
    };
    format!(
        "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('file_source_component.so', {{
    paths = {{ {paths} }}, checkpoint_interval = 0.003,
  }}),
  gopiper.loadComponent('faults_component.so', {{ first_word = true }}, {{
    pool_size = 2, channel_size = {transform}, retry = {{ max_attempts = 3, initial_backoff = 0.005 }},
  }}),
{between}  gopiper.loadComponent('file_sink_component.so', {{ path = {output}, sync = 'batch'{of_sink} }}, {{
    channel_size = {sink},
  }}),
}})
"
    )
}

/// The files that the sink has written. When its folder was taken away it may have created another
/// one.
pub(super) fn output_files(disk: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(disk)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(OUTPUT) {
            files.extend(files_in(&entry.path())?);
        }
    }
    // The marks beside what it writes are its own.
    let is_mark = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
    };
    files.retain(|path| !is_mark(path));
    Ok(files)
}

/// The content of the buffer.
pub(super) fn buffered(disk: &Path) -> Result<Vec<Vec<u8>>> {
    buffer::blocks(&disk.join(STATE).join("pipelines/main/buffer"))
}

/// The dead letters.
pub(super) fn letter_files(disk: &Path) -> Result<Vec<PathBuf>> {
    files_in(&disk.join(STATE).join("dead-letters"))
}
