use std::{fs, path::Path};

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent},
};

use super::*;
use crate::command::{
    control::Process,
    sample::{rates, reports},
};

fn watched() -> WatchedProcess {
    let [before, now] = reports();
    let rows = rates(&before, &now);
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
    drawn(width, height, &watched(), view)
}

/// The view with the details of this component.
fn details_of(id: &str, watched: &WatchedProcess) -> View {
    let mut view = View::default();
    let place = watched.rows.iter().position(|row| row.id == id).unwrap();
    for key in std::iter::repeat_n(KeyCode::Down, place).chain([KeyCode::Enter]) {
        view.press(KeyEvent::from(key), &watched.rows);
    }
    view
}

fn drawn(width: u16, height: u16, watched: &WatchedProcess, view: &View) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, watched, view)).unwrap();
    let text = terminal.backend().to_string();
    let lines = text.lines().map(|line| line.trim_matches('"').trim_end());
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// The screens are those that a person checked last. To accept new ones, set GOPIPER_BLESS.
fn check(name: &str, screen: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/command/top/screen");
    let golden = folder.join(format!("{name}.txt"));
    if std::env::var_os("GOPIPER_BLESS").is_some() {
        fs::write(&golden, format!("{screen}\n")).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap();
    assert_eq!(screen, expected.trim_end(), "{name}");
}

#[test]
fn the_table_fits_into_80_columns() {
    check("table-80x24", &screen(80, 24, &View::default()));
}

/// The columns that do not fit are left out, and the reason takes lines of its own.
#[test]
fn a_narrow_screen_shows_what_fits() {
    let mut watched = watched();
    watched.rows[2].stuck_seconds = 75.2;
    watched.report.process.not_ready = vec![
        "pipeline main, component store: 1000 messages wait, and none was finished for 75 s".into(),
        "pipeline main, component keep: 95 % of its limit is stored".into(),
    ];
    check("problems-40x20", &drawn(40, 20, &watched, &View::default()));
    check("problems-80x24", &drawn(80, 24, &watched, &View::default()));
}

#[test]
fn the_keys_fit_while_a_filter_is_set() {
    let mut view = View::default();
    for key in "/parse".chars().map(KeyCode::Char).chain([KeyCode::Enter]) {
        view.press(KeyEvent::from(key), &watched().rows);
    }
    let foot = |width| screen(width, 10, &view).lines().last().unwrap_or_default().to_owned();
    assert_eq!(foot(80), "q quit  Esc clears /parse  s sort: graph  Enter details");
    assert_eq!(foot(40), "q quit  Esc clears /parse  s sort: graph");
}

#[test]
fn a_wide_screen_has_wide_columns() {
    check("table-140x24", &screen(140, 24, &View::default()));
}

#[test]
fn a_component_is_shown_alone_with_its_times_and_failures() {
    check("details-80x24", &screen(80, 24, &details_of("parse", &watched())));
}

#[test]
fn the_details_of_a_stuck_component_say_so() {
    let mut watched = watched();
    let row = &mut watched.rows[1];
    row.stuck_seconds = 21.4;
    let shown = drawn(80, 24, &watched, &details_of("parse", &watched));
    assert!(shown.contains("\nstuck: has messages, finished none for 21 s\n"), "{shown}");
}

#[test]
fn the_details_of_a_buffer_show_its_store_and_where_its_messages_come_out() {
    let mut watched = watched();
    let components = &mut watched.report.pipelines[0].components;
    components[2].id = "keep".into();
    components[3].id = "keep.out".into();
    (watched.rows[2].id, watched.rows[3].id) = ("keep".into(), "keep.out".into());
    watched.rows[2].stored_part = Some(0.96);
    let shown = drawn(80, 24, &watched, &details_of("keep", &watched));
    assert!(shown.contains("1 worker, its messages come out at keep.out"), "{shown}");
    assert!(shown.contains("\nstored 96% of its limit\n"), "{shown}");
    let shown = drawn(80, 24, &watched, &details_of("keep.out", &watched));
    assert!(shown.contains("sends to nothing") && !shown.contains("stored"), "{shown}");
}

/// More components than lines: the selected one is seen.
#[test]
fn a_small_screen_scrolls() {
    let mut view = View::default();
    for _ in 0..3 {
        view.press(KeyEvent::from(KeyCode::Down), &watched().rows);
    }
    let screen = screen(80, 6, &view);
    assert!(screen.contains("count") && !screen.contains("  read "), "{screen}");
}
