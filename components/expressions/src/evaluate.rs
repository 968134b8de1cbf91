//! Evaluates the parts of an expression for a message.
use gopiper_abi::Value;
use json_fields::{after_mark, reach};

use crate::{
    Scope,
    functions::text_of,
    known::{Fault, Known},
    node::{Node, Part, Read},
};

impl Node {
    pub(crate) fn value<'a>(&'a self, scope: &Scope<'a>) -> Result<Known<'a>, Fault> {
        let here = |what: String| Fault { at: self.at, what };
        match &self.part {
            Part::Constant(known) => Ok(borrowed(known)),
            Part::Read(read) => match read.value(scope).map_err(here)? {
                Some(known) => Ok(known),
                None => Err(here(format!("there is no {}", read.written()))),
            },
            Part::Has(read) => {
                let found = read.value(scope).map_err(here)?;
                Ok(Known::Bool(found.is_some()))
            }
            Part::Not(inner) => inner.truth(scope).map(|truth| Known::Bool(!truth)),
            Part::Negative(inner) => {
                let value = inner.value(scope)?;
                Known::Int(0).calculated(crate::node::Calculation::Subtract, &value).map_err(here)
            }
            // As the language has it: if one side decides, the other may fail.
            Part::And(sides) => either(sides, false, scope),
            Part::Or(sides) => either(sides, true, scope),
            Part::Choice(parts) => {
                let [condition, one, other] = &**parts;
                if condition.truth(scope)? { one.value(scope) } else { other.value(scope) }
            }
            Part::Compare(how, sides) => {
                let [one, two] = &**sides;
                let (one, two) = (one.value(scope)?, two.value(scope)?);
                one.compared(*how, &two).map(Known::Bool).map_err(here)
            }
            Part::Calculate(how, sides) => {
                let [one, two] = &**sides;
                let (one, two) = (one.value(scope)?, two.value(scope)?);
                one.calculated(*how, &two).map_err(here)
            }
            Part::In(sides) => {
                let [one, list] = &**sides;
                let (one, list) = (one.value(scope)?, list.value(scope)?);
                one.is_in(&list).map(Known::Bool).map_err(here)
            }
            Part::Matches(text, regex) => {
                let text = text.value(scope)?;
                text_of(&text).map(|text| Known::Bool(regex.is_match(text))).map_err(here)
            }
            Part::Call(function, arguments) => {
                let arguments = arguments.iter().map(|argument| argument.value(scope));
                function.call(arguments.collect::<Result<_, _>>()?).map_err(here)
            }
            Part::List(items) => {
                let items = items.iter().map(|item| item.value(scope));
                Ok(Known::List(items.collect::<Result<_, _>>()?))
            }
        }
    }

    fn truth(&self, scope: &Scope<'_>) -> Result<bool, Fault> {
        match self.value(scope)? {
            Known::Bool(truth) => Ok(truth),
            other => {
                let what = format!("it is {}, neither true nor false", other.kind());
                Err(Fault { at: self.at, what })
            }
        }
    }
}

/// `and` and `or`: `decisive` on one side is the result, whatever the other one is.
fn either<'a>(sides: &[Node; 2], decisive: bool, scope: &Scope<'_>) -> Result<Known<'a>, Fault> {
    let first = sides[0].truth(scope);
    if first.as_ref().is_ok_and(|truth| *truth == decisive) {
        return Ok(Known::Bool(decisive));
    }
    let second = sides[1].truth(scope)?;
    if second == decisive { Ok(Known::Bool(decisive)) } else { first.map(Known::Bool) }
}

fn borrowed<'a>(known: &'a Known<'static>) -> Known<'a> {
    match known {
        Known::Text(text) => Known::Text((&**text).into()),
        Known::Bytes(bytes) => Known::Bytes((&**bytes).into()),
        other => other.clone(),
    }
}

impl Read {
    fn value<'a>(&self, scope: &Scope<'a>) -> Result<Option<Known<'a>>, String> {
        let message = scope.message;
        Ok(match self {
            Read::Data => Some(match std::str::from_utf8(message.data()) {
                Ok(text) => Known::Text(text.into()),
                Err(_) => Known::Bytes(message.data().into()),
            }),
            Read::Time => (message.time() != 0).then(|| Known::Time(message.time())),
            Read::Now => Some(Known::Time(scope.now)),
            Read::WholeJson => Some(Known::of_json(after_mark(message.data()).trim_ascii())?),
            Read::Json { path, .. } => {
                let found = reach(after_mark(message.data()), &mut path.borrow_mut());
                match found.map_err(|problem| format!("the data{problem}"))? {
                    Some(text) => Some(Known::of_json(text)?),
                    None => None,
                }
            }
            Read::Attribute { name, keys } => {
                message.attribute(name).and_then(|value| within(value, keys)).map(Known::of_value)
            }
            Read::Value { keys } => {
                message.value().and_then(|value| within(value, keys)).map(Known::of_value)
            }
        })
    }

    /// As it is written in the expression.
    fn written(&self) -> String {
        let path = |root: &str, keys: &[String]| {
            keys.iter().fold(root.to_owned(), |path, key| format!("{path}.{key}"))
        };
        match self {
            Read::Data => "data".into(),
            Read::Time => "time: the message has none".into(),
            Read::Now => "now".into(),
            Read::WholeJson => "json".into(),
            Read::Json { written, .. } => written.clone(),
            Read::Attribute { name, keys } => path(&format!("attributes.{name}"), keys),
            Read::Value { keys } => path("value", keys),
        }
    }
}

/// A value within another one: under the keys of maps, at the places of lists.
fn within<'a>(value: &'a Value, keys: &[String]) -> Option<&'a Value> {
    keys.iter().try_fold(value, |value, key| match (value.as_map(), value.as_list()) {
        (Some(map), _) => map.get(key),
        (_, Some(list)) => list.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}
