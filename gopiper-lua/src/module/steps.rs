//! The elements of a list: components, functions, buffers, and graphs.
use std::sync::Arc;

use gopiper_abi::{Kind, nearest::did_you_mean};
use gopiper_core::{ComponentOptions, ComponentSpec, Step};
use mlua::{Table, UserData, UserDataFields, Value};
use parking_lot::Mutex;

use super::{
    call::ModuleCall,
    component::{Buffer, ListedComponent, Transform, placeholder_factory},
    made::Made,
    options::FunctionOptions,
    table::shown,
};
use crate::{
    function::{self, Wanted, position_of},
    language::{kind::kind_of, placeholder::is_placeholder, script::Script},
    problem::{place::Place, remark::Remark},
    state::{
        LIMIT,
        depth::{DEPTH, TOO_DEEP},
    },
};

/// A larger key in a list is no place in it.
const MAX_STEPS: usize = 10_000;

/// The steps of a list, and their positions.
#[derive(Default)]
pub(super) struct Steps {
    pub(super) steps: Vec<Step>,
    pub(super) places: StepPlaces,
}

/// The positions of steps in the file.
#[derive(Default)]
pub(super) struct StepPlaces {
    /// The components and buffers, in order, those of branches included.
    pub(super) components: Vec<Option<Place>>,
    /// The tees, routes and merges, from the outer ones on.
    pub(super) graphs: Vec<Option<Place>>,
    /// Whether something in a branch could not be created: then it is unknown where the branch
    /// leads.
    pub(super) unknown: bool,
    /// How deeply tees, routes and merges are nested.
    pub(super) depth: usize,
}

impl Steps {
    /// Adds a component or a buffer.
    pub(super) fn push(&mut self, step: impl Into<Step>, place: Option<Place>) {
        self.steps.push(step.into());
        self.places.components.push(place);
    }
}

impl StepPlaces {
    pub(super) fn add(&mut self, other: StepPlaces) {
        self.components.extend(other.components);
        self.graphs.extend(other.graphs);
        self.unknown |= other.unknown;
        self.depth = self.depth.max(other.depth);
    }
}

/// The result of `tee`, `route` or `merge`, until a list takes it.
pub(super) struct Graph(Mutex<Option<(Step, StepPlaces)>>);

impl UserData for Graph {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", "graph");
    }
}

impl Graph {
    /// A graph that is nested too deeply is left empty: code that walks a pipeline recurses for
    /// each level.
    pub(super) fn new(call: &ModuleCall<'_>, mut step: Step, mut places: StepPlaces) -> Self {
        places.depth += 1;
        if places.depth > DEPTH {
            // Those around it are not reported: it is the same error.
            if places.depth == DEPTH + 1 {
                call.wrong(0, "", format!("{}{TOO_DEEP} of tees, routes and merges", call.name));
            }
            let (unknown, depth) = (true, places.depth);
            places = StepPlaces { unknown, depth, ..StepPlaces::default() };
            step = Step::Tee(Vec::new());
        }
        Graph(Mutex::new(Some((step, places))))
    }

    pub(super) fn take(&self) -> Option<(Step, StepPlaces)> {
        self.0.lock().take()
    }
}

/// A list that is taken: the argument of the call, or its path in that argument.
pub(super) struct List<'a> {
    pub(super) table: &'a Table,
    pub(super) argument: usize,
    pub(super) path: String,
    /// The keys that it may have beside its positions.
    pub(super) keys: &'a [&'a str],
    /// A pipeline's own: its first one is a source, its last one a sink.
    pub(super) is_whole: bool,
}

/// Takes the steps out of a list. Functions are numbered as they are taken, as in a worker's state.
pub(super) fn take_steps(
    call: &ModuleCall<'_>,
    source: &Arc<Script>,
    list: &List<'_>,
    steps: &mut Steps,
) {
    let mut count = 0;
    for (key, _) in list.table.pairs::<Value, Value>().flatten() {
        match key.as_integer().and_then(|number| usize::try_from(number).ok()) {
            Some(number @ 1..=MAX_STEPS) => count = count.max(number),
            _ if key.as_string().is_some_and(|key| list.keys.iter().any(|one| key == one)) => {}
            _ => {
                let error = no_such_key(list.keys, &key);
                let key = key.to_string().unwrap_or_default();
                let path = if list.path.is_empty() { key } else { format!("{}.{key}", list.path) };
                call.wrong(list.argument, &path, error);
            }
        }
    }
    let mut has_lists = false;
    for number in 1..=count {
        let belongs = match number {
            1 if list.is_whole => Kind::SOURCE,
            last if last == count && list.is_whole => Kind::SINK,
            _ => Kind::TRANSFORM,
        };
        let place = call.place(list.argument, &format!("{}[{number}]", list.path));
        let value: Value = list.table.raw_get(number).unwrap_or_default();
        if value.is_table() {
            // Several are reported once.
            if !std::mem::replace(&mut has_lists, true) {
                call.note(Remark::error(place.clone(), is_a_list(call, number)));
            }
        }
        if let Err(error) =
            take_step(call, source, &value, (belongs, !list.is_whole), place.clone(), steps)
        {
            if let Some(error) = error {
                let error = format!("component {number}: {error}");
                call.note(Remark::error(place.clone(), error));
            }
            steps.places.unknown |= !list.is_whole || value.is_table();
            let factory = placeholder_factory("component", belongs);
            let spec = ComponentSpec { factory, options: ComponentOptions::default() };
            steps.push(spec, place);
        }
    }
}

/// Takes one. No error for a placeholder, because there was one before.
fn take_step(
    call: &ModuleCall<'_>,
    source: &Arc<Script>,
    value: &Value,
    (belongs, in_branch): (Kind, bool),
    place: Option<Place>,
    into: &mut Steps,
) -> Result<(), Option<String>> {
    if value.is_function() {
        let at = position_of(call.lua, value);
        let spec = function_spec(call, source, FunctionOptions::default(), "lua", at);
        into.push(spec, place);
        return Ok(());
    }
    if is_placeholder(value) || value.is_table() {
        return Err(None);
    }
    let data = value.as_userdata();
    if let Some(component) = data.and_then(|data| data.borrow::<ListedComponent>().ok()) {
        into.places.unknown |= in_branch && !component.is_known();
        into.push(component.take(belongs)?, component.place.clone());
        return Ok(());
    }
    if let Some(buffer) = data.and_then(|data| data.borrow::<Buffer>().ok()) {
        into.push(Step::Buffer(buffer.options.clone()), buffer.place.clone());
        return Ok(());
    }
    if let Some(transform) = data.and_then(|data| data.borrow::<Transform>().ok()) {
        let options = transform.options.lock().take();
        let options = options.ok_or_else(again)?;
        let spec = function_spec(call, source, options, "lua", transform.at.clone());
        into.push(spec, transform.place.clone());
        return Ok(());
    }
    if let Some(graph) = data.and_then(|data| data.borrow::<Graph>().ok()) {
        let (step, places) = graph.take().ok_or_else(again)?;
        into.steps.push(step);
        into.places.add(places);
        return Ok(());
    }
    Err(Some(format!(
        "expected a function, or what loadComponent, buffer, transform, tee, route or merge returned, \
         not {}",
        kind_of(value)
    )))
}

/// Whether a value is an element of lists.
pub(super) fn is_step(value: &Value) -> bool {
    let is_made = |data: &mlua::AnyUserData| {
        data.is::<ListedComponent>()
            || data.is::<Buffer>()
            || data.is::<Transform>()
            || data.is::<Graph>()
    };
    value.is_function() || value.as_userdata().is_some_and(is_made)
}

impl ModuleCall<'_> {
    /// An argument that is a list of components; `None` if it is wrong.
    pub(super) fn list(&self, number: usize, what: &str, value: Value) -> Option<Table> {
        if is_step(&value) {
            let error = "must be a list: put it into braces, { … }, with the other components";
            self.wrong(number, "", format!("{}: argument {number} ({what}) {error}", self.name));
            return None;
        }
        self.argument(number, what, value)
    }
}

fn no_such_key(known: &[&str], key: &Value) -> String {
    let text = key.as_string().map(|key| key.to_string_lossy()).unwrap_or_default();
    let (but, meant) = match known {
        [] if text == "policy" => (String::new(), ": only a branch of a tee has a policy".into()),
        [] => (String::new(), String::new()),
        known => (format!(" but {}", known.join(", ")), did_you_mean(&text, known)),
    };
    format!("a list of components has no keys{but}, and this one has {}{meant}", shown(key))
}

/// The advice for a list inside another one.
fn is_a_list(call: &ModuleCall<'_>, number: usize) -> String {
    let remedy = match call.name {
        "tee" | "merge" => {
            format!("each is an argument of its own: gopiper.{}({{ … }}, {{ … }})", call.name)
        }
        _ => "put its components here, without the braces".into(),
    };
    format!("component {number} is a list, and a list cannot be in another list: {remedy}")
}

fn again() -> String {
    "it is already in a pipeline: create one for each place".into()
}

/// A function of the file at that position, as a component.
pub(super) fn function_spec(
    call: &ModuleCall<'_>,
    source: &Arc<Script>,
    (mut options, every): FunctionOptions,
    name: &'static str,
    at: String,
) -> ComponentSpec {
    // Lua enforces its limit, so its worker need not be abandoned.
    let limit = options.timeout.take().unwrap_or(LIMIT);
    let number = call.lua.app_data_mut::<Made>().map_or(0, |mut made| {
        made.functions.push(at.clone());
        made.functions.len()
    });
    let wanted = Wanted { number, at };
    let factory = function::transform(name, source.clone(), wanted, limit, every);
    ComponentSpec { factory, options }
}
