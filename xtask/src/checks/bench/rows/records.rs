//! Components for records, against the tools that people use for them.

use crate::checks::access_log::Format;
use crate::checks::bench::row::{Figure, How, Input, Row, Target};

pub(super) const ROWS: &[Row] = &[
    // jq is slow: a twentieth of the input is enough.
    Row {
        name: "filter_and_set",
        what: "JSON lines: status ≥ 500, a field added, as components, against jq -c",
        target: Target::AtMost(0.03),
        figure: Figure::Wall,
        how: How::Shell,
        input: Input::Requests(Format::Json),
        between: Some(&[
            "gopiper.loadComponent('filter_component.so', { condition = 'json.status >= 500' })",
            "gopiper.loadComponent('set_component.so', { set = { ['json.checked'] = 'true' } })",
        ]),
        reference: r#"head -n $((LINES / 20)) "$INPUT" |
            jq -c 'select(.status >= 500) | .checked = true'"#,
        ours: r#"head -n $((LINES / 20)) "$INPUT" | "$GOPIPER" run "$PIPELINE""#,
    },
];
