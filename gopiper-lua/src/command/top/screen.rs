//! The table on a terminal.
mod fit;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use gopiper_core::{in_a_line, plural};
use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, Event, KeyEventKind},
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style, Stylize},
    text::{Line, Text},
    widgets::{Cell, Paragraph, Row as TableRow, Table, TableState},
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};

use super::{
    Look, Shown, WatchedProcess,
    plain::{TITLES, cells, name},
    quantity::{bytes, percent, seconds, short},
    view::{Asked, View},
};
use crate::command::sample::{ComponentRates, ComponentSample, DurationsSample};

/// How often signals are checked. After a signal, the terminal must be restored.
const SIGNAL_LOOK: Duration = Duration::from_millis(200);

/// Shows the process until the user quits, or it ends.
///
/// # Errors
/// The process does not answer any more, or the terminal fails.
pub(super) fn run(watched: &mut WatchedProcess) -> Result<Shown, String> {
    let begun = ratatui::try_init().map_err(|error| format!("the terminal: {error}"));
    let shown = begun.and_then(|mut terminal| show(&mut terminal, watched));
    ratatui::restore();
    shown
}

fn show(terminal: &mut DefaultTerminal, watched: &mut WatchedProcess) -> Result<Shown, String> {
    let is_stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP, SIGINT] {
        flag::register(signal, is_stopped.clone())
            .map_err(|error| format!("cannot handle signals: {error}"))?;
    }
    let mut view = View::default();
    loop {
        terminal
            .draw(|frame| draw(frame, watched, &view))
            .map_err(|error| format!("the terminal: {error}"))?;
        if is_stopped.load(Relaxed) {
            return Ok(Shown::ToTheUser);
        }
        let left = watched.due().saturating_duration_since(Instant::now()).min(SIGNAL_LOOK);
        if !event::poll(left).map_err(|error| format!("the terminal: {error}"))? {
            if watched.due() <= Instant::now() && watched.look()? == Look::Ended {
                return Ok(Shown::ToTheEnd);
            }
            continue;
        }
        match event::read().map_err(|error| format!("the terminal: {error}"))? {
            Event::Key(key)
                if key.kind != KeyEventKind::Release
                    && view.press(key, &watched.rows) == Asked::Quit =>
            {
                return Ok(Shown::ToTheUser);
            }
            // For example a new size: the screen is drawn again.
            _ => {}
        }
    }
}

fn draw(frame: &mut Frame, watched: &WatchedProcess, view: &View) {
    let area = frame.area();
    let head = fit::head(watched, area.width.into());
    let height = head.len().try_into().unwrap_or(area.height);
    let parts = [Constraint::Length(height), Constraint::Fill(1), Constraint::Length(1)];
    let [top, body, foot] = Layout::vertical(parts).areas(area);
    frame.render_widget(Text::from(head), top);
    let shown = view.shown(&watched.rows);
    let selected = view.selected(&shown);
    let component = shown.get(selected).filter(|_| view.shows_details);
    match component.and_then(|row| Some((row, report_of(watched, row)?))) {
        Some((row, (report, way))) => details(frame, body, row, report, &way),
        None => table(frame, body, watched, &shown, selected),
    }
    frame.render_widget(Line::from(fit::foot(view, area.width.into())).dim(), foot);
}

/// The report of the component, and where its messages go.
fn report_of<'w>(
    watched: &'w WatchedProcess,
    row: &ComponentRates,
) -> Option<(&'w ComponentSample, String)> {
    let pipeline = watched.report.pipelines.iter().find(|it| it.name == row.pipeline)?;
    let report = pipeline.components.iter().find(|it| it.id == row.id)?;
    // The halves of a buffer: see `gopiper_core`'s `plan::names`.
    let out = format!("{}.out", row.id);
    let way = match report.next.as_slice() {
        [] if pipeline.components.iter().any(|it| it.id == out) => {
            format!("its messages come out at {}", in_a_line(&out))
        }
        [] => "sends to nothing".into(),
        next => format!("sends to {}", in_a_line(&next.join(", "))),
    };
    Some((report, way))
}

fn table(
    frame: &mut Frame,
    area: Rect,
    watched: &WatchedProcess,
    shown: &[&ComponentRates],
    selected: usize,
) {
    let several = watched.report.pipelines.len() > 1;
    let name_of = |row: &ComponentRates| match several {
        true => format!("{}  {}", name(row), in_a_line(&row.pipeline)),
        false => name(row),
    };
    let column = if area.width < 100 { 7 } else { 9 };
    let longest = watched.rows.iter().map(|row| fit::width(&name_of(row))).max().unwrap_or(0);
    let (first, columns) = fit::columns(area.width.into(), longest, column);
    let rows = shown.iter().map(|row| {
        let cells = cells(row).into_iter().take(columns);
        let cells = cells.map(|cell| Cell::from(Text::from(cell).right_aligned()));
        let name = Cell::from(fit::cut(&name_of(row), first));
        let cells = std::iter::once(name).chain(cells);
        let style = match row {
            row if row.is_stuck() => Style::new().add_modifier(Modifier::BOLD).red(),
            row if row.is_bottleneck => Style::new().add_modifier(Modifier::BOLD).yellow(),
            row if row.failed_per_second > 0.0 => Style::new().red(),
            _ => Style::new(),
        };
        TableRow::new(cells).style(style)
    });
    let titles = TITLES.into_iter().take(columns);
    let titles = titles.map(|title| Cell::from(Text::from(title).right_aligned()));
    let titles = std::iter::once(Cell::from("COMPONENT")).chain(titles);
    let widths = std::iter::repeat_n(Constraint::Length(column as u16), columns);
    let widths = std::iter::once(Constraint::Length(first as u16)).chain(widths);
    let table = Table::new(rows, widths)
        .header(TableRow::new(titles).style(Style::new().underlined()))
        .column_spacing(0)
        .row_highlight_style(Style::new().reversed());
    let mut state = TableState::new().with_selected(Some(selected));
    frame.render_stateful_widget(table, area, &mut state);
}

fn details(
    frame: &mut Frame,
    area: Rect,
    row: &ComponentRates,
    report: &ComponentSample,
    way: &str,
) {
    let count = |count: u64| short(count as f64);
    let mut lines = vec![
        Line::from(format!(
            "{} ({}, {}), {}, {way}",
            in_a_line(&row.id),
            report.kind,
            in_a_line(&report.component_type),
            plural(report.workers as usize, "worker")
        ))
        .bold(),
        Line::from(format!(
            "received {} ({})  sent {} ({})  dropped {}  kept {}  missed {}",
            count(report.received_messages),
            bytes(report.received_bytes),
            count(report.sent_messages),
            bytes(report.sent_bytes),
            count(report.dropped_messages),
            count(report.kept_messages),
            count(report.missed_messages),
        )),
        Line::from(format!(
            "failed {}  dead letters {}  retries {}  panics {}  in flight {}",
            count(report.failed_messages),
            count(report.dead_letters),
            count(report.retries),
            count(report.panics),
            count(report.in_flight_messages),
        )),
        Line::from(format!(
            "waiting {} of {} messages, {} of {}",
            count(report.depth_messages),
            count(report.depth_limit_messages),
            bytes(report.depth_bytes),
            bytes(report.depth_limit_bytes),
        )),
    ];
    if let Some(stored) = row.stored_part {
        lines.push(Line::from(format!("stored {} of its limit", percent(stored))));
    }
    if row.is_stuck() {
        let time = row.stuck_seconds;
        lines.push(Line::from(format!("stuck: has messages, finished none for {time:.0} s")).red());
    }
    lines.extend(histogram("Calls, by how long they took", &report.calls));
    lines.extend(histogram("Messages, by their age at the end", &report.ages));
    if !report.failures.is_empty() {
        lines.push(Line::from("Last reasons of failures").underlined());
    }
    for failure in report.failures.iter().rev() {
        let time = jiff::Timestamp::from_second(failure.time_seconds as i64).unwrap_or_default();
        let what = in_a_line(&failure.description);
        lines.push(Line::from(format!("{time}  status {}  {what}", failure.status)));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// A bar for each bucket, from the first to the last that is not empty; nothing if all are empty.
fn histogram(title: &str, durations: &DurationsSample) -> Vec<Line<'static>> {
    const WIDTH: f64 = 40.0;
    let beyond = (f64::INFINITY, durations.longer);
    let buckets: Vec<_> = durations.buckets.iter().copied().chain([beyond]).collect();
    let is_used = |(_, count): &(f64, u64)| *count > 0;
    let (Some(first), Some(last)) =
        (buckets.iter().position(is_used), buckets.iter().rposition(is_used))
    else {
        return Vec::new();
    };
    let most = buckets.iter().map(|(_, count)| *count).max().unwrap_or(1);
    let bars = buckets[first..=last].iter().map(|(bound, count)| {
        let bound = match bound.is_finite() {
            true => format!("<= {}", seconds(*bound)),
            false => "longer".into(),
        };
        let length = (*count as f64 / most as f64 * WIDTH).ceil() as usize;
        Line::from(format!("{bound:>9} {:>6} {}", short(*count as f64), "#".repeat(length)))
    });
    std::iter::once(Line::from(title.to_owned()).underlined()).chain(bars).collect()
}
