//! The table, as text.
use gopiper_core::in_a_line;

use super::quantity::{bytes, percent, short};
use crate::command::sample::{ComponentRates, PipelinesSample};

/// The titles of the columns after the first.
pub(super) const TITLES: [&str; 9] =
    ["IN/s", "OUT/s", "DEPTH", "BUSY", "BLOCK", "FAILED", "FAIL/s", "CPU", "MEMORY"];

/// The first column: the name, with marks at the bottleneck and at a component that is stuck.
pub(super) fn name(row: &ComponentRates) -> String {
    let mark = match (row.is_stuck(), row.is_bottleneck) {
        (true, true) => "!>",
        (true, false) => "! ",
        (false, true) => "> ",
        (false, false) => "  ",
    };
    format!("{mark}{}", in_a_line(&row.id))
}

/// The components that are stuck, each with its time; `None` if there are none.
pub(super) fn stuck(rows: &[ComponentRates]) -> Option<String> {
    let stuck = rows.iter().filter(|row| row.is_stuck());
    let of = |row: &ComponentRates| format!("{} {:.0} s", in_a_line(&row.id), row.stuck_seconds);
    let all: Vec<_> = stuck.map(of).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// The columns after the first.
pub(super) fn cells(row: &ComponentRates) -> [String; 9] {
    let unknown = || "-".to_owned();
    let is_source = row.depth.is_none();
    let memory = row.memory_bytes.map(bytes);
    [
        if is_source { unknown() } else { short(row.received_per_second) },
        short(row.sent_per_second),
        row.filled().map_or_else(unknown, percent),
        percent(row.busy),
        percent(row.blocked),
        short(row.failed_messages as f64),
        short(row.failed_per_second),
        row.cpu.map_or_else(unknown, percent),
        memory.map_or_else(unknown, |of| if row.memory_is_shared { of + "*" } else { of }),
    ]
}

/// All pipelines of a process as a table.
pub(super) fn table(report: &PipelinesSample, rows: &[ComponentRates]) -> String {
    let longest = rows.iter().map(|row| name(row).chars().count()).max().unwrap_or(0).max(11);
    let mut text = String::new();
    let mut line = |first: &str, cells: [&str; 9]| {
        let mut line = format!("{first:<longest$}");
        for cell in cells {
            line += &format!(" {cell:>8}");
        }
        text += line.trim_end();
        text.push('\n');
    };
    for pipeline in &report.pipelines {
        line(&format!("{}:", in_a_line(&pipeline.name)), TITLES);
        for row in rows.iter().filter(|row| row.pipeline == pipeline.name) {
            let cells = cells(row);
            line(&name(row), cells.each_ref().map(String::as_str));
        }
    }
    if rows.iter().any(|row| row.is_bottleneck) {
        text += "> the components before this one wait for it\n";
    }
    if let Some(stuck) = stuck(rows) {
        text += &format!("! has messages and finishes none: {stuck}\n");
    }
    if rows.iter().any(|row| row.memory_is_shared) {
        text += "* together with other components of the same library\n";
    }
    for why in &report.process.not_ready {
        text += &format!("not ready: {}\n", in_a_line(why));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::sample::{rates, reports};

    #[test]
    fn the_depth_of_a_buffer_is_that_of_its_store_if_it_is_fuller() {
        let [before, mut now] = reports();
        let depths = |now: &PipelinesSample| {
            rates(&before, now).iter().map(|row| cells(row)[2].clone()).collect::<Vec<_>>()
        };
        now.pipelines[0].components[1].stored_part = Some(0.25);
        now.pipelines[0].components[3].stored_part = Some(0.95);
        assert_eq!(depths(&now), ["-", "90%", "100%", "95%"]);
    }

    #[test]
    fn a_component_that_finishes_nothing_is_marked_as_on_the_page() {
        let [before, mut now] = reports();
        now.pipelines[0].components[2].stuck_seconds = 21.4;
        now.pipelines[0].components[3].stuck_seconds = 9.9;
        let rows = rates(&before, &now);
        let table = table(&now, &rows);
        assert!(table.contains("\n!>store ") && table.contains("\n  count "), "{table}");
        assert!(table.contains("\n! has messages and finishes none: store 21 s\n"), "{table}");
        now.pipelines[0].components[3].stuck_seconds = 10.0;
        let rows = rates(&before, &now);
        assert_eq!(stuck(&rows).as_deref(), Some("store 21 s, count 10 s"));
        assert_eq!(serde_json::json!(rows[3])["stuck_seconds"], 10.0);
    }

    #[test]
    fn a_table_has_a_line_for_each_component() {
        let [before, now] = reports();
        let table = table(&now, &rates(&before, &now));
        let expected = "\
main:           IN/s    OUT/s    DEPTH     BUSY    BLOCK   FAILED   FAIL/s      CPU   MEMORY
  read             -     1.2M        -      10%      90%        0        0      10%     1.2M
  parse         1.2M     1.2M      90%      50%      50%     1.0k      500      50%     62K*
> store         1.2M        0     100%     100%       0%        0        0     100%        -
  count            0        0       0%       0%       0%        0        0       0%        -
> the components before this one wait for it
* together with other components of the same library
";
        assert_eq!(table, expected);
    }
}
