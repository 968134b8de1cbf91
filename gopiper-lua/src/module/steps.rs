//! What stands in a list: components, functions, buffers, and `tee`, `route` and `merge`, which are made
//! of lists.
use std::sync::Arc;

use gopiper_core::{Branch, BranchPolicy, BufferOptions, ComponentSpec, Step};
use mlua::{Lua, Table, UserData, Value, Variadic};
use parking_lot::Mutex;

use super::{
    Made, argument,
    component::{FunctionOptions, function_options, take_component},
    options::component_options,
    table::one_of,
};
use crate::{convert::a, function, source::Source};

/// A buffer between two components.
pub(super) struct Buffer(pub(super) BufferOptions);

impl UserData for Buffer {}

/// What `tee`, `route` or `merge` has made, until a list takes it.
pub(super) struct Graph(Mutex<Option<Step>>);

impl UserData for Graph {}

impl Graph {
    fn new(step: Step) -> Self {
        Graph(Mutex::new(Some(step)))
    }
}

/// Takes the steps out of a list. Functions are numbered as they are taken: in a worker's state too.
pub(super) fn take_steps(
    lua: &Lua,
    source: &Arc<Source>,
    list: &Table,
) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for (i, item) in list.sequence_values::<Value>().enumerate() {
        let item = item.map_err(|error| error.to_string())?;
        let step = take_step(lua, source, &item);
        steps.push(step.map_err(|error| format!("component {}: {error}", i + 1))?);
    }
    Ok(steps)
}

fn take_step(lua: &Lua, source: &Arc<Source>, item: &Value) -> Result<Step, String> {
    let data = item.as_userdata();
    if let Some(buffer) = data.and_then(|data| data.borrow::<Buffer>().ok()) {
        return Ok(Step::Buffer(buffer.0.clone()));
    }
    if let Some(graph) = data.and_then(|data| data.borrow::<Graph>().ok()) {
        let step = graph.0.lock().take();
        return step.ok_or_else(|| "it is in a pipeline already: make one for each place".into());
    }
    match function_options(item)? {
        Some(options) => function_spec(lua, source, options, "lua").map(Step::from),
        None => take_component(item).map(Step::from),
    }
}

/// A function of the file's as a component.
fn function_spec(
    lua: &Lua,
    source: &Arc<Source>,
    (mut options, every): FunctionOptions,
    name: &'static str,
) -> Result<ComponentSpec, String> {
    let mut made = lua.app_data_mut::<Made>().ok_or("called outside of a pipeline's file")?;
    made.functions += 1;
    // Its limit is kept within Lua: so a worker need not be given up.
    let limit = options.timeout.take().unwrap_or(function::LIMIT);
    let factory = function::transform(name, source.clone(), made.functions, limit, every);
    Ok(ComponentSpec { factory, options })
}

/// Refuses keys that a list can't have.
pub(super) fn check_list(list: &Table, known: &[&str]) -> Result<(), String> {
    for pair in list.pairs::<Value, Value>() {
        let (key, _) = pair.map_err(|error| error.to_string())?;
        let is_place =
            matches!(key, Value::Integer(place) if (1..=list.raw_len() as i64).contains(&place));
        let is_known = key.as_string().is_some_and(|key| known.iter().any(|one| key == one));
        if !is_place && !is_known {
            return Err("the list has holes in it, or keys that are no numbers".into());
        }
    }
    Ok(())
}

pub(super) fn tee(
    lua: &Lua,
    source: &Arc<Source>,
    branches: Variadic<Value>,
) -> Result<Graph, String> {
    let policies = [
        ("block", BranchPolicy::Block),
        ("drop", BranchPolicy::Drop),
        ("spill", BranchPolicy::Spill),
        ("detach", BranchPolicy::Detach),
    ];
    let mut taken = Vec::new();
    for (i, branch) in branches.into_iter().enumerate() {
        let named = |error| format!("branch {}: {error}", i + 1);
        let list: Table = argument(lua, branch, &format!("{} (a branch)", i + 1))?;
        check_list(&list, &["policy"]).map_err(named)?;
        let policy = match list.raw_get::<Value>("policy").map_err(|error| error.to_string())? {
            Value::Nil => BranchPolicy::default(),
            word => one_of("policy", &word, &policies).map_err(named)?,
        };
        taken.push(Branch { policy, steps: take_steps(lua, source, &list).map_err(named)? });
    }
    Ok(Graph::new(Step::Tee(taken)))
}

pub(super) fn merge(
    lua: &Lua,
    source: &Arc<Source>,
    lists: Variadic<Value>,
) -> Result<Graph, String> {
    let mut taken = Vec::new();
    for (i, list) in lists.into_iter().enumerate() {
        let named = |error| format!("list {}: {error}", i + 1);
        let list: Table = argument(lua, list, &format!("{} (a list)", i + 1))?;
        check_list(&list, &[]).map_err(named)?;
        taken.push(take_steps(lua, source, &list).map_err(named)?);
    }
    Ok(Graph::new(Step::Merge(taken)))
}

/// The name of the branch for what no other one is for.
const DEFAULT: &str = "default";

pub(super) fn route(
    lua: &Lua,
    source: &Arc<Source>,
    (decide, branches, options): (Value, Value, Value),
) -> Result<Graph, String> {
    let branches: Table = argument(lua, branches, "2 (the branches by name)")?;
    let options: Option<Table> = argument(lua, options, "3 (the options)")?;
    let mut lists = Vec::new();
    for pair in branches.pairs::<Value, Value>() {
        let (name, list) = pair.map_err(|error| error.to_string())?;
        let named = name.as_string();
        let named =
            named.ok_or_else(|| format!("a branch has a name, not {}", a(name.type_name())))?;
        // In another form it would have another place among the others than in a worker's state.
        let name = named.to_str().map_err(|_| {
            format!("the name of branch '{}' is not UTF-8", named.to_string_lossy())
        })?;
        let name = name.to_owned();
        let found = list.type_name();
        let list = list.as_table().cloned();
        let list =
            list.ok_or_else(|| format!("branch '{name}' must be a list, not {}", a(found)))?;
        check_list(&list, &[]).map_err(|error| format!("branch '{name}': {error}"))?;
        lists.push((name, list));
    }
    check_conditions(&decide, |name| lists.iter().any(|(known, _)| known == name))?;
    // The same order in each state, the default last.
    lists.sort_by(|(one, _), (other, _)| {
        (one == DEFAULT, one.as_bytes()).cmp(&(other == DEFAULT, other.as_bytes()))
    });
    let options = options.map(|table| component_options(&table)).transpose()?.unwrap_or_default();
    let router = function_spec(lua, source, (options, None), "route")?;
    let mut taken = Vec::new();
    for (name, list) in lists {
        let steps = take_steps(lua, source, &list);
        let steps = steps.map_err(|error| format!("branch '{name}': {error}"))?;
        taken.push((name, steps));
    }
    Ok(Graph::new(Step::Route { router, branches: taken }))
}

/// A function, or a condition for each of some branches: a function, or a word to be found.
fn check_conditions(decide: &Value, is_branch: impl Fn(&str) -> bool) -> Result<(), String> {
    let conditions = match decide {
        Value::Function(_) => return Ok(()),
        Value::Table(conditions) => conditions,
        other => {
            let found = a(other.type_name());
            return Err(format!(
                "argument 1 must be a function, or a table of conditions by branch, not {found}"
            ));
        }
    };
    for pair in conditions.pairs::<Value, Value>() {
        let (name, condition) = pair.map_err(|error| error.to_string())?;
        let name = match name.as_string() {
            Some(name) if is_branch(&name.to_string_lossy()) => name.to_string_lossy(),
            _ => {
                let name = name.to_string().unwrap_or_default();
                return Err(format!("there is a condition for '{name}', but no such branch"));
            }
        };
        if !matches!(condition, Value::Function(_) | Value::String(_)) {
            let found = a(condition.type_name());
            return Err(format!("condition '{name}' must be a function or a word, not {found}"));
        }
    }
    Ok(())
}
