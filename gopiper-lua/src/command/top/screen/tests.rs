use std::time::Duration;

use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::command::{
    control::Process,
    top::sample::{rows, tests::reports},
};

fn watched() -> WatchedProcess {
    let [before, now] = reports();
    let rows = rows(&before, &now);
    let cpu = [1.5, 0.1, 0.0];
    WatchedProcess {
        process: Process { pid: 4321, socket: "/nowhere".into() },
        interval: Duration::from_secs(1),
        looked: Instant::now(),
        report: now,
        rows,
        cpu,
    }
}

fn screen(width: u16, height: u16, view: &View) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, &watched(), view)).unwrap();
    let text = terminal.backend().to_string();
    let lines = text.lines().map(|line| line.trim_matches('"').trim_end());
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[test]
fn the_table_fits_into_80_columns() {
    let expected = "\
gopiper 4321  running  /srv/access.lua
CPU 150% (gopiper 10%, own threads 0%)  memory 61M
COMPONENT           IN/s  OUT/s  DEPTH   BUSY  BLOCK FAILED FAIL/s    CPU MEMORY
  read                 -   1.2M      -    10%    90%      0      0    10%   1.2M";
    let screen = screen(80, 24, &View::default());
    assert!(screen.starts_with(expected), "{screen}");
    assert!(screen.ends_with("q quit  s order (graph)  / filter  up/down, Enter details"));
    assert_eq!(screen.lines().count(), 24);
}
