//! Turns the steps of a list into the stages of a pipeline, each of which knows its destination.
use std::collections::BTreeSet;

use gopiper_abi::Kind;

use crate::{
    buffer::{self, BufferOptions, SharedBuffer, WhenFull},
    plan::{
        error::PipelineError,
        names::names,
        options::{ComponentOptions, ComponentSpec},
        planned_stage::{PlannedStage, is_no_folder, tried_for_ever},
        policy::{BranchPolicy, OnFail},
        routes::Destination,
        step::{Branch, Step},
    },
};

/// The stages of a pipeline of these steps, the sources first.
///
/// # Errors
/// Everything that doesn't fit.
pub(crate) fn lay_out(
    steps: Vec<Step>,
    has_state: bool,
) -> Result<Vec<PlannedStage>, Vec<PipelineError>> {
    if steps.len() < 2 {
        return Err(vec![PipelineError::TooShort(steps.len())]);
    }
    let mut layout = Layout { names: names(&steps).into_iter(), has_state, ..Layout::default() };
    let (nodes, _) = layout.list(steps, Ends { begins: true, ends: true });
    if !layout.errors.is_empty() {
        return Err(layout.errors);
    }
    layout.link(nodes, Destination::Nothing);
    match layout.errors.is_empty() {
        true => Ok(layout.stages),
        false => Err(layout.errors),
    }
}

#[derive(Default)]
struct Layout {
    stages: Vec<PlannedStage>,
    /// Of the components and buffers that have no places yet.
    names: std::vec::IntoIter<String>,
    taken: BTreeSet<String>,
    errors: Vec<PipelineError>,
    has_state: bool,
    /// The branches that are being laid out, the innermost last: in words, and of what.
    branches: Vec<(String, &'static str)>,
    /// How many branches are detached.
    detached: usize,
    /// How many tees, routes and merges there are.
    graphs: usize,
}

/// A step whose components have their places.
enum PlacedStep {
    Stage(usize),
    Buffer { inlet: usize, outlet: usize },
    Tee(Shape, Vec<(BranchPolicy, Vec<PlacedStep>)>),
    Route(usize, Vec<(String, Vec<PlacedStep>)>),
    Merge(Vec<Vec<PlacedStep>>),
}

/// A tee, a route or a merge, and how many of them come before it.
#[derive(Clone, Copy)]
struct Shape {
    what: &'static str,
    nth: usize,
}

/// Tees whose branches lead straight to each other multiply the copies of a message.
const MOST_COPIES: usize = 1000;

const NOT_FIRST: &str = "it cannot be the first element of a list: it would receive no messages";

/// Whether nothing precedes a list, and whether nothing follows it.
#[derive(Clone, Copy)]
struct Ends {
    begins: bool,
    ends: bool,
}

impl Layout {
    /// Gives the components of a list their places. Returns whether something leaves it, too.
    fn list(&mut self, steps: Vec<Step>, Ends { begins, ends }: Ends) -> (Vec<PlacedStep>, bool) {
        let count = steps.len();
        let (mut nodes, mut first, mut comes) = (Vec::new(), begins, !begins);
        for (place, step) in steps.into_iter().enumerate() {
            let last = place + 1 == count;
            let at = Ends { begins: first, ends: last && ends };
            if !first && !comes {
                self.errors.push(PipelineError::NothingComes(match step {
                    Step::Tee(_) => "tee".into(),
                    Step::Merge(_) => "merge".into(),
                    _ => self.next_name(),
                }));
            }
            comes = true;
            let is_buffer = matches!(step, Step::Buffer(_));
            match step {
                Step::Component(spec) => {
                    let kind = spec.factory.kind();
                    comes = kind != Kind::SINK || !last;
                    if !(kind == Kind::SINK && last) || first {
                        self.expect_kind(spec.factory.kind(), at);
                    }
                    nodes.push(PlacedStep::Stage(self.component(spec)));
                }
                Step::Buffer(options) => nodes.extend(self.buffer(options, at)),
                Step::Tee(branches) => {
                    let shape = self.shape("tee", first, NOT_FIRST);
                    let (branches, open) = self.tee(shape, branches, at.ends);
                    nodes.push(PlacedStep::Tee(shape, branches));
                    comes = open;
                }
                Step::Route { router, branches } => {
                    let shape = self.shape("route", first, NOT_FIRST);
                    let middle = Ends { begins: false, ends: false };
                    self.expect_kind(router.factory.kind(), middle);
                    let stage = self.component(router);
                    let (branches, open) = self.route(shape, branches, at.ends);
                    nodes.push(PlacedStep::Route(stage, branches));
                    comes = open;
                }
                Step::Merge(lists) => {
                    let error = "it must be the first element of the pipeline";
                    let shape = self.shape("merge", !first, error);
                    nodes.push(PlacedStep::Merge(self.merge(shape, lists)));
                }
            }
            // The step after a misplaced first buffer counts as the first one.
            first &= is_buffer;
        }
        (nodes, comes)
    }

    /// One more tee, route or merge; an error if it is not allowed there.
    fn shape(&mut self, what: &'static str, misplaced: bool, error: &str) -> Shape {
        let shape = Shape { what, nth: self.graphs };
        self.graphs += 1;
        if misplaced {
            self.refuse(shape, error);
        }
        shape
    }

    fn refuse(&mut self, Shape { what, nth }: Shape, error: impl Into<String>) {
        self.errors.push(PipelineError::Graph { what, nth, error: error.into() });
    }

    /// The name of the component or buffer that is placed next.
    fn next_name(&self) -> String {
        self.names.as_slice().first().cloned().unwrap_or_default()
    }

    fn expect_kind(&mut self, kind: Kind, Ends { begins, ends }: Ends) {
        let (place, wanted) = match (begins, ends) {
            (true, _) => ("the first", Kind::SOURCE),
            (_, true) => ("the last", Kind::SINK),
            _ => ("in the middle", Kind::TRANSFORM),
        };
        if kind == wanted {
            return;
        }
        let component = self.next_name();
        self.errors.push(match self.branches.last() {
            Some((branch, of)) if ends && kind == Kind::TRANSFORM => {
                PipelineError::NothingFollows { component, branch: branch.clone(), of }
            }
            _ => PipelineError::WrongPlace {
                component,
                kind: kind.name(),
                place,
                wanted: wanted.name(),
            },
        });
    }

    fn component(&mut self, spec: ComponentSpec) -> usize {
        let name = self.names.next().unwrap_or_default();
        if !self.taken.insert(name.clone()) {
            self.errors.push(PipelineError::SameName(name.clone()));
        }
        self.stage(name, spec)
    }

    fn stage(&mut self, name: String, ComponentSpec { factory, options }: ComponentSpec) -> usize {
        if is_no_folder(&name) {
            self.errors.push(PipelineError::BadName(name.clone()));
        }
        match PlannedStage::new(name, factory, &options) {
            Ok(stage) => self.stages.push(stage),
            Err(error) => self.errors.push(error),
        }
        self.stages.len().saturating_sub(1)
    }

    fn buffer(&mut self, options: BufferOptions, at: Ends) -> Option<PlacedStep> {
        let name = self.names.next().unwrap_or_default();
        let out = format!("{name}.out");
        let mut errors = Vec::new();
        if at.begins || at.ends {
            errors.push(PipelineError::BufferAtTheEnd(name.clone()));
        }
        if !self.has_state {
            errors.push(PipelineError::NoPlaceForBuffer(name.clone()));
        }
        if options.max_bytes == 0 {
            let (component, wanted) = (name.clone(), "more than 0, not 0".into());
            errors.push(PipelineError::OutOfRange { component, option: "max_bytes", wanted });
        }
        for name in [&name, &out] {
            if !self.taken.insert(name.clone()) {
                errors.push(PipelineError::SameName(name.clone()));
            }
        }
        if !errors.is_empty() {
            self.errors.append(&mut errors);
            return None;
        }
        let drops = options.when_full == WhenFull::DropNewest;
        let shared = SharedBuffer::new(options);
        let (factory, options) = (buffer::inlet(shared.clone()), tried_for_ever());
        let channel_bytes = Some(buffer::CHANNEL_BYTES);
        // A message that cannot be stored at all must not stop the pipeline at each start.
        let on_fail = Some(OnFail::DeadLetter);
        let options = ComponentOptions { pool_size: Some(1), channel_bytes, on_fail, ..options };
        let inlet = self.stage(name, ComponentSpec { factory, options });
        self.stages[inlet].drops = drops;
        let (factory, options) = (buffer::outlet(shared), ComponentOptions::default());
        let outlet = self.stage(out, ComponentSpec { factory, options });
        Some(PlacedStep::Buffer { inlet, outlet })
    }

    fn tee(
        &mut self,
        shape: Shape,
        branches: Vec<Branch>,
        ends: bool,
    ) -> (Vec<(BranchPolicy, Vec<PlacedStep>)>, bool) {
        let (mut nodes, mut leaves) = (Vec::new(), false);
        if branches.is_empty() {
            self.refuse(shape, "it has no branches");
        }
        for (number, Branch { policy, steps }) in (1..).zip(branches) {
            let first = self.stages.len();
            let (list, open) = self.branch(shape, format!("branch {number}"), steps, ends);
            if policy == BranchPolicy::Detach {
                // If nothing follows, that was reported already.
                if open && !ends {
                    let error =
                        "is detached, so it must end in a sink: the rest does not wait for it";
                    self.refuse(shape, format!("branch {number} {error}"));
                }
                self.detached += 1;
                for stage in &mut self.stages[first..] {
                    stage.detached.get_or_insert(self.detached);
                }
            }
            leaves |= open;
            nodes.push((policy, list));
        }
        (nodes, leaves)
    }

    fn route(
        &mut self,
        shape: Shape,
        branches: Vec<(String, Vec<Step>)>,
        ends: bool,
    ) -> (Vec<(String, Vec<PlacedStep>)>, bool) {
        let (mut nodes, mut leaves) = (Vec::new(), false);
        if branches.is_empty() {
            self.refuse(shape, "it has no branches");
        }
        for (name, steps) in branches {
            let (list, open) = self.branch(shape, format!("branch '{name}'"), steps, ends);
            leaves |= open;
            nodes.push((name, list));
        }
        (nodes, leaves)
    }

    fn branch(
        &mut self,
        shape: Shape,
        which: String,
        steps: Vec<Step>,
        ends: bool,
    ) -> (Vec<PlacedStep>, bool) {
        if steps.is_empty() && ends {
            let remedy = format!("put a sink into it, or after the {}", shape.what);
            self.refuse(shape, format!("nothing follows {which}, which is empty: {remedy}"));
        }
        self.branches.push((which, shape.what));
        let list = self.list(steps, Ends { begins: false, ends });
        self.branches.pop();
        list
    }

    fn merge(&mut self, shape: Shape, lists: Vec<Vec<Step>>) -> Vec<Vec<PlacedStep>> {
        if lists.is_empty() {
            self.refuse(shape, "it has no lists");
        }
        let mut nodes = Vec::new();
        for (number, steps) in (1..).zip(lists) {
            if steps.is_empty() {
                self.refuse(shape, format!("list {number} is empty: each begins with a source"));
                continue;
            }
            let (list, leaves) = self.list(steps, Ends { begins: true, ends: false });
            if !leaves {
                let error = "ends in a sink: make it a pipeline of its own";
                self.refuse(shape, format!("list {number} {error}"));
            }
            nodes.push(list);
        }
        nodes
    }

    /// Sets the destinations of the stages of a list; `after` is that of the last one. Returns how
    /// to reach the first one.
    fn link(&mut self, nodes: Vec<PlacedStep>, after: Destination) -> Destination {
        nodes.into_iter().rev().fold(after, |after, node| match node {
            PlacedStep::Stage(stage) => {
                let is_sink = self.stages[stage].factory.kind() == Kind::SINK;
                self.stages[stage].next = if is_sink { Destination::Nothing } else { after };
                Destination::To(stage)
            }
            PlacedStep::Buffer { inlet, outlet } => {
                self.stages[outlet].next = after;
                self.stages[inlet].next = Destination::Stored(outlet);
                Destination::To(inlet)
            }
            PlacedStep::Tee(shape, branches) => {
                if branches.len().saturating_mul(after.targets().len()) > MOST_COPIES {
                    let error = format!(
                        "together with those after it, it makes more than {MOST_COPIES} copies of \
                         a message"
                    );
                    self.refuse(shape, error);
                    return Destination::Nothing;
                }
                let all = branches.into_iter();
                Destination::Tee(
                    all.map(|(policy, list)| (policy, self.link(list, after.clone()))).collect(),
                )
            }
            PlacedStep::Route(stage, branches) => {
                let all = branches.into_iter();
                let next = all.map(|(name, list)| (name, self.link(list, after.clone()))).collect();
                self.stages[stage].next = Destination::Route(next);
                Destination::To(stage)
            }
            PlacedStep::Merge(lists) => {
                lists.into_iter().for_each(|list| drop(self.link(list, after.clone())));
                Destination::Nothing
            }
        })
    }
}
