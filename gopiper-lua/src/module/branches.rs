//! `tee`, `route` and `merge`: steps that are made of lists.
use std::sync::Arc;

use gopiper_abi::nearest::did_you_mean;
use gopiper_core::{Branch, BranchPolicy, BufferOptions, Step};
use mlua::{Table, Value, Variadic};

use super::{
    call::ModuleCall,
    options::component_options,
    steps::{Graph, List, StepPlaces, Steps, function_spec, is_step, take_steps},
    table::one_of,
};
use crate::{
    function::position_of,
    language::{kind::kind_of, placeholder::is_placeholder, script::Script},
};

/// The position of a graph without contents.
fn own_place(call: &ModuleCall<'_>) -> StepPlaces {
    StepPlaces { graphs: vec![call.place(0, "")], ..StepPlaces::default() }
}

/// Takes a list of a graph's, to those that are there already.
fn branch(
    call: &ModuleCall<'_>,
    source: &Arc<Script>,
    list: &List<'_>,
    mut steps: Steps,
    places: &mut StepPlaces,
) -> Vec<Step> {
    take_steps(call, source, list, &mut steps);
    places.add(steps.places);
    steps.steps
}

pub(super) fn tee(call: &ModuleCall<'_>, source: &Arc<Script>, branches: Variadic<Value>) -> Graph {
    // A branch that spills begins with a buffer.
    let policies = [
        ("block", (BranchPolicy::Block, false)),
        ("drop", (BranchPolicy::Drop, false)),
        ("spill", (BranchPolicy::Block, true)),
        ("detach", (BranchPolicy::Detach, false)),
    ];
    let (mut taken, mut places) = (Vec::new(), own_place(call));
    for (table, argument) in lists(call, branches, "a branch", &mut places) {
        let given: Value = table.raw_get("policy").unwrap_or_default();
        let policy = match &given {
            Value::Nil => None,
            given if is_placeholder(given) => None,
            given => one_of("policy", given, &policies)
                .map_err(|error| call.wrong(argument, "policy", error))
                .ok(),
        };
        let (policy, spills) = policy.unwrap_or_default();
        let mut first = Steps::default();
        if spills {
            first.push(Step::Buffer(BufferOptions::default()), call.place(argument, "policy"));
        }
        let path = String::new();
        let list = List { table: &table, argument, path, keys: &["policy"], is_whole: false };
        taken.push(Branch { policy, steps: branch(call, source, &list, first, &mut places) });
    }
    Graph::new(call, Step::Tee(taken), places)
}

pub(super) fn merge(call: &ModuleCall<'_>, source: &Arc<Script>, given: Variadic<Value>) -> Graph {
    let (mut taken, mut places) = (Vec::new(), own_place(call));
    for (table, argument) in lists(call, given, "a list", &mut places) {
        let list =
            List { table: &table, argument, path: String::new(), keys: &[], is_whole: false };
        taken.push(branch(call, source, &list, Steps::default(), &mut places));
    }
    Graph::new(call, Step::Merge(taken), places)
}

/// The arguments that are lists, with their numbers.
fn lists(
    call: &ModuleCall<'_>,
    given: Variadic<Value>,
    what: &str,
    places: &mut StepPlaces,
) -> Vec<(Table, usize)> {
    let count = given.len();
    let arguments = given.into_iter().zip(1..);
    let lists: Vec<_> = arguments
        .filter_map(|(list, argument)| Some((call.list(argument, what, list)?, argument)))
        .collect();
    places.unknown |= lists.len() < count;
    lists
}

/// The name of the branch for what no other one is for.
const DEFAULT: &str = "default";

pub(super) fn route(
    call: &ModuleCall<'_>,
    source: &Arc<Script>,
    (decide, branches, options): (Value, Value, Value),
) -> Graph {
    let mut places = own_place(call);
    let table: Option<Table> = call.argument(2, "the branches by name", branches);
    places.unknown |= table.is_none();
    let (mut lists, mut others) = (Vec::new(), Vec::new());
    for (name, list) in table.iter().flat_map(Table::pairs::<Value, Value>).flatten() {
        let Some(text) = name.as_string() else {
            let error = format!("a branch has a name, not {}", kind_of(&name));
            call.wrong(2, &format!("[{}]", name.to_string().unwrap_or_default()), error);
            continue;
        };
        // In another form it would have another place among the others than in a worker's state.
        let Ok(text) = text.to_str().map(|text| text.to_owned()) else {
            let error = format!("the name of branch '{}' is not UTF-8", text.to_string_lossy());
            call.wrong(2, "", error);
            continue;
        };
        match list.as_table() {
            Some(list) => lists.push((text, list.clone())),
            None if is_placeholder(&list) => others.push(text),
            None => {
                let found = match is_step(&list) {
                    true => ": put it into braces, { … }".to_owned(),
                    false => format!(", not {}", kind_of(&list)),
                };
                call.wrong(2, &text, format!("branch '{text}' must be a list{found}"));
                others.push(text);
            }
        }
    }
    // The same order in each state, the default last.
    lists.sort_by(|(one, _), (other, _)| {
        (one == DEFAULT, one.as_bytes()).cmp(&(other == DEFAULT, other.as_bytes()))
    });
    places.unknown |= !others.is_empty();
    let names = lists.iter().map(|(name, _)| name).chain(&others);
    let names: Vec<_> = names.map(String::as_str).collect();
    check_conditions(call, &decide, &names);
    let options = component_options(call.options(3, options));
    let at = position_of(call.lua, &decide);
    let router = function_spec(call, source, (options, None), "route", at);
    places.components.push(call.place(0, ""));
    let mut taken = Vec::new();
    for (name, table) in lists {
        let list =
            List { table: &table, argument: 2, path: name.clone(), keys: &[], is_whole: false };
        taken.push((name, branch(call, source, &list, Steps::default(), &mut places)));
    }
    Graph::new(call, Step::Route { router, branches: taken }, places)
}

/// A function, or a condition for each of some branches: a function, or a word to be found.
fn check_conditions(call: &ModuleCall<'_>, decide: &Value, branches: &[&str]) {
    let conditions = match decide {
        Value::Function(_) => return,
        decide if is_placeholder(decide) => return,
        Value::Table(conditions) => conditions,
        other => {
            let found = kind_of(other);
            return call.wrong(1, "", format!(
                "route: argument 1 must be a function, or a table of conditions by branch, not {found}"
            ));
        }
    };
    for branch in branches {
        let is_meant: bool = *branch == DEFAULT || conditions.contains_key(*branch).unwrap_or(true);
        if !is_meant {
            let meant = did_you_mean(branch, &[DEFAULT]);
            let error = format!("route: no condition leads to branch '{branch}'{meant}");
            call.wrong(2, branch, error);
        }
    }
    for (name, condition) in conditions.pairs::<Value, Value>().flatten() {
        let name = name.to_string().unwrap_or_default();
        if !branches.contains(&name.as_str()) {
            let meant = did_you_mean(&name, branches);
            let error =
                format!("route: there is a condition for '{name}', but no such branch{meant}");
            call.wrong(1, &name, error);
        } else if !matches!(condition, Value::Function(_) | Value::String(_))
            && !is_placeholder(&condition)
        {
            let found = kind_of(&condition);
            let error =
                format!("route: condition '{name}' must be a function or a word, not {found}");
            call.wrong(1, &name, error);
        }
    }
}
