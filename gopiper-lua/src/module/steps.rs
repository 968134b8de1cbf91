//! What stands in a list: components, functions, buffers, and `tee`, `route` and `merge`, which are made
//! of lists.
use std::sync::Arc;

use gopiper_core::{Branch, BranchPolicy, BufferOptions, ComponentOptions, ComponentSpec, Step};
use mlua::{Lua, Table, UserData, Value, Variadic};
use parking_lot::Mutex;

use super::{
    Made, argument,
    component::{function_options, take_component},
    table::one_of,
};
use crate::{function, source::Source};

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
        Some(options) => function_spec(lua, source, options, function::transform).map(Step::from),
        None => take_component(item).map(Step::from),
    }
}

/// What a factory is made of: the source, the function's number, its limit of time.
type MakeFunction =
    fn(Arc<Source>, usize, std::time::Duration) -> gopiper_abi::raw::client::FactoryHandle;

fn function_spec(
    lua: &Lua,
    source: &Arc<Source>,
    mut options: ComponentOptions,
    make: MakeFunction,
) -> Result<ComponentSpec, String> {
    let mut made = lua.app_data_mut::<Made>().ok_or("called outside of a pipeline's file")?;
    made.functions += 1;
    // Its limit is kept within Lua: so a worker need not be given up.
    let limit = options.timeout.take().unwrap_or(function::LIMIT);
    Ok(ComponentSpec { factory: make(source.clone(), made.functions, limit), options })
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
