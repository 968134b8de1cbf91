//! The view on the screen: the order, the filter and the selected component. Keys change it.
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::command::sample::ComponentRates;

/// The orders of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Order {
    #[default]
    Graph,
    Cpu,
    Received,
    Depth,
    Failed,
}

impl Order {
    const ALL: [Order; 5] =
        [Order::Graph, Order::Cpu, Order::Received, Order::Depth, Order::Failed];

    pub(super) fn name(self) -> &'static str {
        match self {
            Order::Graph => "graph",
            Order::Cpu => "CPU",
            Order::Received => "IN/s",
            Order::Depth => "DEPTH",
            Order::Failed => "FAILED",
        }
    }

    fn next(self) -> Order {
        let place = Order::ALL.iter().position(|order| *order == self).unwrap_or(0);
        Order::ALL[(place + 1) % Order::ALL.len()]
    }

    fn value(self, row: &ComponentRates) -> f64 {
        match self {
            Order::Graph => 0.0,
            Order::Cpu => row.cpu.unwrap_or(0.0),
            Order::Received => row.received_per_second,
            Order::Depth => row.filled().unwrap_or(0.0),
            Order::Failed => row.failed_messages as f64,
        }
    }
}

/// The choices of the user.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) order: Order,
    /// Only components whose name or pipeline contains this are shown.
    pub(super) filter: String,
    /// Whether the user is typing the filter.
    pub(super) is_typing: bool,
    /// The selected component: its pipeline and its name.
    selected: Option<(String, String)>,
    /// Whether it is shown alone, with its details.
    pub(super) shows_details: bool,
}

/// The request of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    Quit,
}

impl View {
    /// The rows that are shown, in order.
    pub(super) fn shown<'r>(&self, rows: &'r [ComponentRates]) -> Vec<&'r ComponentRates> {
        let fits = |row: &&ComponentRates| {
            row.id.contains(&self.filter) || row.pipeline.contains(&self.filter)
        };
        let mut shown: Vec<_> = rows.iter().filter(fits).collect();
        // Rows with equal values stay in the order of the graph.
        shown.sort_by(|one, other| self.order.value(other).total_cmp(&self.order.value(one)));
        shown
    }

    /// The place of the selected row among those that are shown.
    pub(super) fn selected(&self, shown: &[&ComponentRates]) -> usize {
        let selected = self.selected.as_ref();
        let is_it = |row: &&ComponentRates| {
            selected.is_some_and(|(pipeline, id)| *pipeline == row.pipeline && *id == row.id)
        };
        shown.iter().position(is_it).unwrap_or(0)
    }

    pub(super) fn press(&mut self, key: KeyEvent, rows: &[ComponentRates]) -> Asked {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Asked::Quit;
        }
        if self.is_typing {
            match key.code {
                KeyCode::Enter => self.is_typing = false,
                KeyCode::Esc => (self.is_typing, self.filter) = (false, String::new()),
                KeyCode::Backspace => drop(self.filter.pop()),
                KeyCode::Char(sign) => self.filter.push(sign),
                _ => {}
            }
            return Asked::Nothing;
        }
        match key.code {
            KeyCode::Char('q') => return Asked::Quit,
            KeyCode::Char('s') => self.order = self.order.next(),
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Down | KeyCode::Char('j') => self.move_by(rows, 1),
            KeyCode::Up | KeyCode::Char('k') => self.move_by(rows, -1),
            KeyCode::Enter => {
                // The component stays selected, even if others move above it.
                self.move_by(rows, 0);
                self.shows_details = self.selected.is_some();
            }
            KeyCode::Esc if self.shows_details => self.shows_details = false,
            KeyCode::Esc => self.filter.clear(),
            _ => {}
        }
        Asked::Nothing
    }

    fn move_by(&mut self, rows: &[ComponentRates], steps: isize) {
        let shown = self.shown(rows);
        let place = self.selected(&shown).saturating_add_signed(steps);
        let row = shown.get(place.min(shown.len().saturating_sub(1)));
        self.selected = row.map(|row| (row.pipeline.clone(), row.id.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::sample::{rates, reports};

    fn press(view: &mut View, rows: &[ComponentRates], keys: &[KeyCode]) {
        for key in keys {
            assert_eq!(view.press(KeyEvent::from(*key), rows), Asked::Nothing);
        }
    }

    fn shown(view: &View, rows: &[ComponentRates]) -> Vec<String> {
        view.shown(rows).into_iter().map(|row| row.id.clone()).collect()
    }

    #[test]
    fn keys_sort_filter_and_select() {
        let [before, now] = reports();
        let rows = rates(&before, &now);
        let mut view = View::default();
        assert_eq!(shown(&view, &rows), ["read", "parse", "store", "count"]);
        press(&mut view, &rows, &[KeyCode::Char('s')]);
        assert_eq!(shown(&view, &rows), ["store", "parse", "read", "count"], "by CPU");
        press(&mut view, &rows, &[KeyCode::Down, KeyCode::Down, KeyCode::Down, KeyCode::Down]);
        assert_eq!(view.selected(&view.shown(&rows)), 3, "it stays at the last one");
        press(&mut view, &rows, &[KeyCode::Char('/'), KeyCode::Char('e'), KeyCode::Char('x')]);
        assert!(shown(&view, &rows).is_empty());
        press(&mut view, &rows, &[KeyCode::Backspace, KeyCode::Enter]);
        assert_eq!(shown(&view, &rows), ["store", "parse", "read"], "those with an e");
        press(&mut view, &rows, &[KeyCode::Down, KeyCode::Enter]);
        assert!(view.shows_details);
        assert_eq!(view.shown(&rows)[view.selected(&view.shown(&rows))].id, "parse");
        press(&mut view, &rows, &[KeyCode::Esc, KeyCode::Esc]);
        assert!(!view.shows_details && view.filter.is_empty());
    }

    #[test]
    fn q_quits_unless_it_is_typed() {
        let mut view = View::default();
        let q = KeyEvent::from(KeyCode::Char('q'));
        press(&mut view, &[], &[KeyCode::Char('/')]);
        assert_eq!(view.press(q, &[]), Asked::Nothing);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(view.press(interrupt, &[]), Asked::Quit);
        press(&mut view, &[], &[KeyCode::Esc, KeyCode::Enter]);
        assert!(!view.shows_details, "there is nothing to show");
        assert_eq!(view.press(q, &[]), Asked::Quit);
    }
}
