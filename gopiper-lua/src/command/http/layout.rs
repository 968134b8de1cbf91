//! `/api/v1/graph`: the positions of the components of a pipeline and of the lines between them.
use std::collections::{BTreeSet, HashMap};

use gopiper_core::{
    observe::{ComponentReport, PipelineReport},
    secrets::redact,
};
use layout::{
    core::{
        base::Orientation,
        format::{ClipHandle, RenderBackend},
        geometry::{Point, Position},
        style::StyleAttr,
    },
    std_shapes::shapes::{Arrow, Element, ShapeKind},
    topo::layout::VisualGraph,
};
use serde::Serialize;

/// The size of the box of a component.
const BOX: (f64, f64) = (180.0, 76.0);
/// The room around a box, half of it on each side.
const HALO: f64 = 36.0;
/// The room between components without lines.
const GAP: f64 = 36.0;
/// The room around the whole drawing.
const MARGIN: f64 = 12.0;
/// The digits of a label's placeholder, which has the width of a label.
const LABEL_DIGITS: usize = 5;

/// The answer: a drawing of each pipeline, from left to right and from top to bottom.
#[derive(Debug, Serialize)]
pub(super) struct GraphAnswer {
    /// Whether there is a token, with which clients can see the contents of messages.
    pub(super) has_token: bool,
    pub(super) pipelines: Vec<PipelineDrawing>,
}

#[derive(Debug, Serialize)]
pub(super) struct PipelineDrawing {
    name: String,
    right: Drawing,
    down: Drawing,
}

/// A drawing, in pixels.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Drawing {
    width: f64,
    height: f64,
    nodes: Vec<DrawnNode>,
    edges: Vec<DrawnEdge>,
}

/// A component, with the upper left corner of its box.
#[derive(Debug, Default, PartialEq, Serialize)]
struct DrawnNode {
    id: String,
    kind: &'static str,
    #[serde(rename = "type")]
    component_type: String,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// A line from a component to the next one.
#[derive(Debug, Default, PartialEq, Serialize)]
struct DrawnEdge {
    from: String,
    to: String,
    /// Messages wait on disk in between: it is a buffer.
    on_disk: bool,
    /// The beginning of the curve; then, for each piece, its two control points and its end.
    curve: Vec<[f64; 2]>,
    /// The middle of its label.
    label: [f64; 2],
}

/// Draws a pipeline. It must have at least one component.
pub(super) fn draw(pipeline: &PipelineReport) -> PipelineDrawing {
    PipelineDrawing {
        name: redact(&pipeline.name).into_owned(),
        right: drawing(&pipeline.components, Orientation::LeftToRight),
        down: drawing(&pipeline.components, Orientation::TopToBottom),
    }
}

fn drawing(components: &[ComponentReport], orientation: Orientation) -> Drawing {
    let name = |component: &ComponentReport| redact(&component.name).into_owned();
    let edges = edges(components);
    let mut canvas = Canvas(Drawing {
        nodes: components
            .iter()
            .map(|component| DrawnNode {
                id: name(component),
                kind: component.kind.name(),
                component_type: redact(&component.component).into_owned(),
                width: BOX.0,
                height: BOX.1,
                ..DrawnNode::default()
            })
            .collect(),
        edges: edges
            .iter()
            .map(|(from, to, on_disk)| DrawnEdge {
                from: name(&components[*from]),
                to: name(&components[*to]),
                on_disk: *on_disk,
                ..DrawnEdge::default()
            })
            .collect(),
        ..Drawing::default()
    });
    let mut graph = VisualGraph::new(orientation);
    // Otherwise it would search for cycles after each line. There are none.
    graph.dag.set_validate(false);
    let ends: BTreeSet<_> = edges.iter().flat_map(|(from, to, _)| [*from, *to]).collect();
    let handles: HashMap<_, _> = ends
        .iter()
        .map(|place| {
            let (shape, look) = (ShapeKind::new_box(""), StyleAttr::simple());
            let (size, number) = (Point::new(BOX.0, BOX.1), place.to_string());
            let mut node = Element::create_with_properties(shape, look, orientation, size, number);
            node.pos = Position::new(Point::zero(), size, Point::zero(), Point::splat(HALO));
            (*place, graph.add_node(node))
        })
        .collect();
    for (place, (from, to, _)) in edges.iter().enumerate() {
        let arrow = Arrow::simple_with_properties(&label(place), place.to_string());
        graph.add_edge(arrow, handles[from], handles[to]);
    }
    // It cannot draw an empty graph.
    if !handles.is_empty() {
        graph.do_it(false, false, false, &mut canvas);
    }
    let apart = (0..components.len()).filter(|place| !ends.contains(place));
    canvas.0.with_those_apart(apart).moved_to_the_corner()
}

/// The lines between components, by their places.
fn edges(components: &[ComponentReport]) -> Vec<(usize, usize, bool)> {
    let places = components.iter().enumerate().map(|(place, it)| (it.name.as_str(), place));
    let places: HashMap<_, _> = places.collect();
    let mut edges = Vec::new();
    for (from, component) in components.iter().enumerate() {
        let next = component.next.iter().filter_map(|name| places.get(name.as_str()));
        edges.extend(next.map(|to| (from, *to, false)));
        // The halves of a buffer: see `gopiper_core`'s `plan::names`.
        if component.component == "buffer"
            && let Some(to) = places.get(&*format!("{}.out", component.name))
        {
            edges.push((from, *to, true));
        }
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// The placeholder of the label of this line: a number of the same width for all.
fn label(place: usize) -> String {
    format!("{place:0LABEL_DIGITS$}")
}

/// Receives the drawing, and keeps it as numbers.
struct Canvas(Drawing);

impl RenderBackend for Canvas {
    fn draw_rect(
        &mut self,
        xy: Point,
        _size: Point,
        _look: &StyleAttr,
        properties: Option<String>,
        _clip: Option<ClipHandle>,
    ) {
        let place = properties.and_then(|number| number.parse::<usize>().ok());
        if let Some(node) = place.and_then(|place| self.0.nodes.get_mut(place)) {
            (node.x, node.y) = (xy.x, xy.y);
        }
    }

    fn draw_line(&mut self, _: Point, _: Point, _: &StyleAttr, _: Option<String>) {}

    fn draw_circle(&mut self, _: Point, _: Point, _: &StyleAttr, _: Option<String>) {}

    fn draw_text(&mut self, xy: Point, text: &str, _look: &StyleAttr) {
        let place = text.parse::<usize>().ok();
        if let Some(edge) = place.and_then(|place| self.0.edges.get_mut(place)) {
            edge.label = [xy.x, xy.y];
        }
    }

    fn draw_arrow(
        &mut self,
        path: &[(Point, Point)],
        _dashed: bool,
        _head: (bool, bool),
        _look: &StyleAttr,
        properties: Option<String>,
        _text: &str,
    ) {
        let place = properties.and_then(|number| number.parse::<usize>().ok());
        let Some(edge) = place.and_then(|place| self.0.edges.get_mut(place)) else { return };
        // The first pair has the beginning and the first control point; each further pair has the
        // second control point and the end of a piece.
        let Some(((begin, leaving), rest)) = path.split_first() else { return };
        let mut leaving = *leaving;
        edge.curve = vec![[begin.x, begin.y]];
        for (arriving, end) in rest {
            edge.curve.extend([leaving, *arriving, *end].map(|point| [point.x, point.y]));
            // The curve is smooth there.
            leaving = end.add(end.sub(*arriving));
        }
    }

    fn create_clip(&mut self, _: Point, _: Point, _: usize) -> ClipHandle {
        0
    }
}

impl Drawing {
    /// Puts components without lines (the dead letters) below the others, in one column.
    fn with_those_apart(mut self, places: impl Iterator<Item = usize> + Clone) -> Self {
        let is_apart = |place: usize| places.clone().any(|one| one == place);
        let drawn = self.nodes.iter().enumerate().filter(|(place, _)| !is_apart(*place));
        let corner = drawn.fold(None, |corner: Option<(f64, f64)>, (_, node)| {
            let (left, below) = corner.unwrap_or((node.x, f64::MIN));
            Some((left.min(node.x), below.max(node.y + node.height + GAP)))
        });
        let (left, mut y) = corner.unwrap_or_default();
        for place in places {
            (self.nodes[place].x, self.nodes[place].y) = (left, y);
            y += BOX.1 + GAP;
        }
        self
    }

    /// Moves the drawing so that it begins at the margin, in whole pixels.
    fn moved_to_the_corner(mut self) -> Self {
        let corners = self
            .nodes
            .iter()
            .flat_map(|node| [[node.x, node.y], [node.x + node.width, node.y + node.height]]);
        let labels = self.edges.iter().map(|edge| edge.label);
        let curves = self.edges.iter().flat_map(|edge| edge.curve.iter().copied());
        let points: Vec<_> = corners.chain(labels).chain(curves).collect();
        let ends = |axis: usize| {
            let all = points.iter().map(|point| point[axis]);
            (all.clone().fold(f64::MAX, f64::min), all.fold(f64::MIN, f64::max))
        };
        let ([left, right], [top, bottom]) = (<[f64; 2]>::from(ends(0)), <[f64; 2]>::from(ends(1)));
        (self.width, self.height) =
            ((right - left + 2.0 * MARGIN).ceil(), (bottom - top + 2.0 * MARGIN).ceil());
        let moved = |[x, y]: [f64; 2]| [(x - left + MARGIN).round(), (y - top + MARGIN).round()];
        for node in &mut self.nodes {
            [node.x, node.y] = moved([node.x, node.y]);
        }
        for edge in &mut self.edges {
            edge.label = moved(edge.label);
            edge.curve.iter_mut().for_each(|point| *point = moved(*point));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{super::state::readiness::tests, *};

    /// A pipeline of components, each with those that it sends to.
    fn pipeline(components: &[(&str, &[&str])]) -> PipelineReport {
        let component = |(name, next): &(&str, &[&str])| ComponentReport {
            name: (*name).to_owned(),
            next: next.iter().map(|next| (*next).to_owned()).collect(),
            ..tests::component(0)
        };
        let components = components.iter().map(component).collect();
        PipelineReport { name: "main".into(), components, outcomes: Default::default() }
    }

    /// Whether boxes lie apart, within the drawing, and lines lead from one to the other.
    fn check(drawing: &Drawing) {
        let nodes = &drawing.nodes;
        for (place, one) in nodes.iter().enumerate() {
            assert!(one.x >= 0.0 && one.x + one.width <= drawing.width, "{drawing:?}");
            assert!(one.y >= 0.0 && one.y + one.height <= drawing.height, "{drawing:?}");
            for other in &nodes[place + 1..] {
                let apart = |a: f64, b: f64, size: f64| (a - b).abs() >= size;
                let are_apart =
                    apart(one.x, other.x, one.width) || apart(one.y, other.y, one.height);
                assert!(are_apart, "{one:?} lies on {other:?}");
            }
        }
        for edge in &drawing.edges {
            let touches = |id: &str, [x, y]: [f64; 2]| {
                let node = nodes.iter().find(|node| node.id == id).unwrap();
                let within = |at: f64, begin: f64, size: f64| {
                    (begin - 1.0..=begin + size + 1.0).contains(&at)
                };
                within(x, node.x, node.width) && within(y, node.y, node.height)
            };
            assert!(edge.curve.len() >= 4 && edge.curve.len() % 3 == 1, "{edge:?}");
            assert!(touches(&edge.from, edge.curve[0]), "{edge:?} of {nodes:?}");
            assert!(touches(&edge.to, *edge.curve.last().unwrap()), "{edge:?} of {nodes:?}");
            assert_ne!(edge.label, [0.0; 2]);
        }
    }

    #[test]
    fn messages_go_to_the_right_or_down() {
        let branches = pipeline(&[
            ("read", &["parse"]),
            ("parse", &["store", "count"]),
            ("store", &["out"]),
            ("count", &["out"]),
            ("out", &[]),
            ("dead_letters", &[]),
        ]);
        let PipelineDrawing { right, down, .. } = draw(&branches);
        for drawing in [&right, &down] {
            check(drawing);
            assert_eq!((drawing.nodes.len(), drawing.edges.len()), (6, 5));
        }
        let at = |drawing: &Drawing, id: &str| {
            let node = drawing.nodes.iter().find(|node| node.id == id).unwrap();
            [node.x, node.y]
        };
        for edge in &right.edges {
            assert!(at(&right, &edge.from)[0] + BOX.0 < at(&right, &edge.to)[0], "{edge:?}");
            assert!(at(&down, &edge.from)[1] + BOX.1 < at(&down, &edge.to)[1], "{edge:?}");
        }
    }

    #[test]
    fn the_halves_of_a_buffer_are_joined() {
        let mut buffered =
            pipeline(&[("in", &["keep"]), ("keep", &[]), ("keep.out", &["to"]), ("to", &[])]);
        buffered.components[1].component = "buffer".into();
        let edges = draw(&buffered).right.edges;
        let lines: Vec<_> = edges.iter().map(|it| (&*it.from, &*it.to, it.on_disk)).collect();
        let expected =
            [("in", "keep", false), ("keep", "keep.out", true), ("keep.out", "to", false)];
        assert_eq!(lines, expected);
    }

    #[test]
    fn random_graphs_can_be_drawn() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..60 {
            let count = random.usize(1..24);
            let names: Vec<_> = (0..count).map(|number| format!("component {number}")).collect();
            let next: Vec<Vec<&str>> = (0..count)
                .map(|from| {
                    let rest = &names[from + 1..];
                    let some = rest.iter().filter(|_| random.u32(0..count as u32) < 2);
                    some.map(String::as_str).collect()
                })
                .collect();
            let all: Vec<_> =
                names.iter().map(String::as_str).zip(next.iter().map(Vec::as_slice)).collect();
            let PipelineDrawing { right, down, .. } = draw(&pipeline(&all));
            check(&right);
            check(&down);
        }
    }
}
