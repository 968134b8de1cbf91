//! All rows on one picture: how much of its target each uses.

use std::fmt::Write;

use super::measured::Measured;

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 20.0;
const TOP: f64 = 70.0;
const ROW: f64 = 58.0;
/// How far the picture goes at least, in targets; a row that misses its own by more makes it wider.
const LEAST_RANGE: f64 = 1.5;

const MET: &str = "#3a8a5f";
const MISSED: &str = "#c4473a";

/// An SVG: for each row a bar, with the line on which all targets lie, and a whisker as long as the
/// reference was off itself.
pub(super) fn svg(rows: &[Measured], title: &str) -> String {
    let used = |row: &Measured| row.row.target.part_used_by(row.figure);
    let range = rows.iter().map(|row| used(row) * 1.05).fold(LEAST_RANGE, f64::max);
    let x = |part: f64| MARGIN + part.clamp(0.0, range) / range * (WIDTH - 2.0 * MARGIN);
    let height = TOP + ROW * rows.len() as f64 + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"26\" font-size=\"16\">{}</text>\n",
        escaped(title)
    );
    for (index, row) in rows.iter().enumerate() {
        let y = TOP + ROW * index as f64;
        let (part, colour) = match used(row) {
            part if row.row.target.is_met_by(row.figure) => (part, MET),
            part => (part, MISSED),
        };
        let end = |figure| x(row.row.target.part_used_by(figure));
        let (one, other) = (end(row.figure - row.spread()), end(row.figure + row.spread()));
        let middle = y + 33.0;
        let _ = write!(
            svg,
            "<text x=\"{MARGIN}\" y=\"{}\"><tspan font-weight=\"bold\">{}</tspan>: {}</text>\n\
             <rect x=\"{MARGIN}\" y=\"{}\" width=\"{:.1}\" height=\"14\" fill=\"{colour}\"/>\n\
             <path d=\"M{one:.1} {middle}H{other:.1}M{one:.1} {}v8M{other:.1} {}v8\" \
             stroke=\"black\" stroke-width=\"1.5\"/>\n\
             <text x=\"{MARGIN}\" y=\"{}\" font-size=\"11\" fill=\"#555\">{}</text>\n",
            y + 20.0,
            escaped(row.row.name),
            escaped(row.row.what),
            y + 26.0,
            x(part) - MARGIN,
            middle - 4.0,
            middle - 4.0,
            y + 52.0,
            escaped(&row.in_words()),
        );
    }
    let (target, bottom) = (x(1.0), height - MARGIN);
    let _ = write!(
        svg,
        "<path d=\"M{target:.1} {}V{bottom}\" stroke=\"black\" stroke-dasharray=\"4 3\"/>\n\
         <text x=\"{target:.1}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\">target</text>\n\
         <text x=\"{MARGIN}\" y=\"{}\" font-size=\"11\" fill=\"#555\">shorter is better; \
         the whisker shows how far the reference differs from itself</text>\n</svg>\n",
        TOP - 8.0,
        TOP - 14.0,
        TOP - 14.0,
    );
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::rows;
    use super::*;

    #[test]
    fn every_row_is_on_it_and_within() {
        let rows: Vec<_> = rows::all().map(|row| Measured::example(row, 7.0, 1.1)).collect();
        let text = svg(&rows, "a < b & c");
        let picture = roxmltree::Document::parse(&text).unwrap();
        let found = |tag| picture.descendants().filter(move |node| node.has_tag_name(tag));
        let words: Vec<_> =
            found("text").flat_map(|node| node.descendants()).filter_map(|n| n.text()).collect();
        assert!(words.contains(&"a < b & c"));
        for row in rows::all() {
            assert!(words.contains(&row.name));
        }
        assert_eq!(found("rect").count(), 1 + rows::all().count());
        for bar in found("rect").skip(1) {
            let width: f64 = bar.attribute("width").unwrap().parse().unwrap();
            assert!((0.0..=WIDTH - 2.0 * MARGIN).contains(&width), "{width}");
        }
    }
}
