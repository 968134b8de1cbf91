//! What fits on a screen of this width: lines are wrapped, or cut with `…`; columns and keys that
//! do not fit are left out whole.
use gopiper_core::in_a_line;
use ratatui::{
    style::Stylize,
    text::{Line, Span},
};

use super::super::{
    WatchedProcess,
    plain::{TITLES, stuck},
    quantity::{bytes, percent},
    view::View,
};

/// The most lines for what is wrong with a process.
const MOST_LINES: usize = 3;

/// The widest name of a component that takes columns away from the numbers.
const WIDEST_NAME: usize = 24;

/// A name has at least the room of its title; on a wide screen it has more, but not so much that
/// the numbers are far from it.
const NAMES: (usize, usize) = (11, 40);

/// The columns on a terminal that a text takes.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text, or as much of it as fits with `…`.
pub(super) fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut part = String::new();
    for sign in text.chars() {
        part.push(sign);
        if width(&part) + 1 > room {
            part.pop();
            break;
        }
    }
    part + "…"
}

/// The text in lines, broken between words; the last of the lines may be cut.
fn wrapped(text: &str, room: usize, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let is_last = lines.len() == most;
        let line = lines.last_mut().expect("there is one at least");
        match line.is_empty() {
            true => line.push_str(word),
            false if is_last || width(line) + 1 + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            false => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| cut(line, room)).collect()
}

/// The width of the names, and how many of the columns of this width fit beside them.
pub(super) fn columns(room: usize, longest_name: usize, column: usize) -> (usize, usize) {
    let least = longest_name.clamp(NAMES.0, WIDEST_NAME);
    let fitting = (room.saturating_sub(least) / column).min(TITLES.len());
    (room.saturating_sub(fitting * column).min(NAMES.1), fitting)
}

/// The pieces that fit, from the left.
fn pieces(pieces: &[String], room: usize) -> String {
    let mut line = String::new();
    for piece in pieces {
        let gap = if line.is_empty() { "" } else { "  " };
        if width(&line) + gap.len() + width(piece) > room {
            break;
        }
        line += gap;
        line += piece;
    }
    line
}

/// The lines about the process, and about what is wrong with it.
pub(super) fn head(watched: &WatchedProcess, room: usize) -> Vec<Line<'static>> {
    let process = &watched.report.process;
    let identity = &process.identity;
    let [cpu, gopiper, own_threads] = watched.cpu.map(percent);
    let memory = process.resident_bytes.map_or_else(|| "-".into(), bytes);
    let name =
        format!("gopiper {}  {}  {}", identity.pid, identity.state, in_a_line(&identity.file));
    let work = format!("CPU {cpu} (gopiper {gopiper}, own threads {own_threads})  memory {memory}");
    let work = if width(&work) <= room { work } else { format!("CPU {cpu}  memory {memory}") };
    let mut lines = vec![Line::from(cut(&name, room)).bold(), Line::from(cut(&work, room))];
    if let Some(stuck) = stuck(&watched.rows) {
        lines.push(Line::from(cut(&format!("stuck: {stuck}"), room)).red());
    }
    if let [why, more @ ..] = process.not_ready.as_slice() {
        let more = match more.len() {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let text = format!("not ready{more}: {}", in_a_line(why));
        let all = wrapped(&text, room, MOST_LINES);
        lines.extend(all.into_iter().map(|line| Line::from(line).red()));
    }
    lines
}

/// The keys, the most important first.
pub(super) fn foot(view: &View, room: usize) -> String {
    let all: &[String] = if view.is_typing {
        &[format!("/{}", view.filter), "Enter: filter".into(), "Esc: all".into()]
    } else if view.shows_details {
        &["q quit".into(), "Esc back".into(), "up/down others".into()]
    } else if view.filter.is_empty() {
        let order = format!("s sort: {}", view.order.name());
        &["q quit".into(), order, "/ filter".into(), "Enter details".into()]
    } else {
        let filter = format!("Esc clears /{}", view.filter);
        let order = format!("s sort: {}", view.order.name());
        &["q quit".into(), cut(&filter, 30), order, "Enter details".into()]
    };
    pieces(all, room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_broken_between_words_and_cut_at_the_end() {
        assert_eq!(wrapped("one two three", 7, 3), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 7, 1), ["one tw…"]);
        assert_eq!(wrapped("a-long-word b", 6, 3), ["a-lon…", "b"]);
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!((cut("name", 4), cut("names", 4)), ("name".into(), "nam…".into()));
    }

    #[test]
    fn names_keep_their_place_and_columns_do_not_run_together() {
        assert_eq!(columns(140, 12, 9), (40, 9));
        assert_eq!(columns(80, 17, 7), (17, 9));
        assert_eq!(columns(80, 18, 7), (24, 8), "MEMORY is left out");
        assert_eq!(columns(80, 60, 7), (24, 8));
        assert_eq!(columns(40, 12, 7), (12, 4));
        assert_eq!(columns(10, 12, 7), (10, 0));
    }
}
