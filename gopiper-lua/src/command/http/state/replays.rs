//! The replay of dead letters that runs, or the last one, as the page shows it.
use std::{collections::VecDeque, io, process::ExitStatus};

use gopiper_core::{in_a_line, secrets::redact};
use parking_lot::Mutex;
use serde::Serialize;

use crate::command::http::message::cut;

/// The most lines of its log that are kept, and the most bytes of each.
const MOST_LINES: usize = 40;
const MOST_OF_LINE: usize = 2 << 10;

/// The replay that runs, or the last one.
#[derive(Default)]
pub(in crate::command::http) struct Replays(Mutex<ReplayState>);

#[derive(Debug, Clone, Default, Serialize)]
pub(in crate::command::http) struct ReplayState {
    /// `none`, `running` or `ended`.
    state: ReplayPhase,
    /// How it ended, as text.
    ended: Option<String>,
    is_success: Option<bool>,
    /// The last lines of its log.
    lines: VecDeque<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum ReplayPhase {
    #[default]
    None,
    Running,
    Ended,
}

impl Replays {
    pub(in crate::command::http) fn state(&self) -> ReplayState {
        self.0.lock().clone()
    }

    /// Begins a replay, unless one runs already. Returns whether it has begun.
    pub(in crate::command::http) fn begin(&self) -> bool {
        let mut state = self.0.lock();
        let is_free = state.state != ReplayPhase::Running;
        if is_free {
            *state = ReplayState { state: ReplayPhase::Running, ..ReplayState::default() };
        }
        is_free
    }

    pub(in crate::command::http) fn say(&self, line: &str) {
        let mut line = redact(&in_a_line(line)).into_owned();
        cut(&mut line, MOST_OF_LINE);
        let lines = &mut self.0.lock().lines;
        if lines.len() == MOST_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub(in crate::command::http) fn end(&self, ended: io::Result<ExitStatus>) {
        let mut state = self.0.lock();
        state.state = ReplayPhase::Ended;
        state.is_success = Some(ended.as_ref().is_ok_and(ExitStatus::success));
        state.ended = Some(match ended {
            Ok(status) => status.to_string(),
            Err(error) => format!("it cannot run: {error}"),
        });
    }
}
