//! Tables of options: their contents, and their errors.
use gopiper_abi::nearest::did_you_mean;
use mlua::{Table, Value};

use super::{call::ModuleCall, exactly::FromLuaExactly};
use crate::language::{kind::kind_of, placeholder::is_placeholder};

/// A table of options in an argument of a call, or in another one.
pub(super) struct Options<'c, 'l> {
    call: &'c ModuleCall<'l>,
    argument: usize,
    /// The prefix of its options' names: `retry.`.
    prefix: String,
    table: Option<Table>,
    known: Vec<&'static str>,
}

impl<'c, 'l> Options<'c, 'l> {
    pub(super) fn new(call: &'c ModuleCall<'l>, argument: usize, table: Option<Table>) -> Self {
        Options { call, argument, prefix: String::new(), table, known: Vec::new() }
    }

    /// The value of an option, if it is given and can be known.
    pub(super) fn value(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        let value: Value = self.table.as_ref()?.raw_get(key).ok()?;
        (!value.is_nil() && !is_placeholder(&value)).then_some(value)
    }

    /// Whether an option is given, a right one or a wrong one.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.as_ref().is_some_and(|table| table.contains_key(key).unwrap_or_default())
    }

    /// Whether any option is given, a right one or a wrong one.
    pub(super) fn is_given(&self) -> bool {
        self.table.as_ref().is_some_and(|table| !table.is_empty())
    }

    /// Notes that an option is wrong.
    pub(super) fn wrong(&self, key: &str, text: impl Into<String>) {
        self.call.wrong(self.argument, &format!("{}{key}", self.prefix), text);
    }

    /// An option.
    pub(super) fn take<T: FromLuaExactly>(
        &mut self,
        key: &'static str,
        expected: &str,
    ) -> Option<T> {
        let value = self.value(key)?;
        let shown = shown(&value);
        let taken = T::from_lua_exactly(value);
        if taken.is_none() {
            let error = format!("option {}{key}: expected {expected}, not {shown}", self.prefix);
            self.wrong(key, error);
        }
        taken
    }

    /// An option that is one of several words; returns the value for the word.
    pub(super) fn one_of<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let value = self.value(key)?;
        one_of(key, &value, words).map_err(|error| self.wrong(key, error)).ok()
    }

    /// A table of options in this one.
    pub(super) fn nested(&mut self, key: &'static str) -> Options<'c, 'l> {
        let table = self.take(key, "a table");
        let prefix = format!("{}{key}.", self.prefix);
        Options { prefix, ..Options::new(self.call, self.argument, table) }
    }

    /// The remaining options do not exist.
    pub(super) fn finish(self) {
        let mut unknown = Vec::new();
        for (key, _) in self.table.iter().flat_map(Table::pairs::<Value, Value>).flatten() {
            match key.as_string() {
                Some(key) => unknown.push(key.to_string_lossy()),
                None => self.wrong(
                    &format!("[{}]", key.to_string().unwrap_or_default()),
                    format!("an option's name must be a string, not {}", kind_of(&key)),
                ),
            }
        }
        unknown.sort();
        for key in unknown.iter().filter(|key| !self.known.contains(&key.as_str())) {
            let meant = did_you_mean(key, &self.known);
            let (prefix, known) = (&self.prefix, self.known.join(", "));
            let error =
                format!("there is no option '{prefix}{key}'{meant}\nthe options are: {known}");
            self.wrong(key, error);
        }
    }
}

impl<'l> ModuleCall<'l> {
    /// The argument that is a table of options.
    pub(super) fn options(&self, number: usize, value: Value) -> Options<'_, 'l> {
        Options::new(self, number, self.optional(number, "the options", value))
    }
}

/// One of several words; returns the value for the word.
pub(super) fn one_of<T: Copy>(key: &str, value: &Value, words: &[(&str, T)]) -> Result<T, String> {
    let text = value.as_string().map(|text| text.to_string_lossy());
    let found = words.iter().find(|(word, _)| text.as_deref() == Some(*word));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
        let (last, others) = quoted.split_last().map_or(("", &[][..]), |(l, o)| (l.as_str(), o));
        let (others, shown) = (others.join(", "), shown(value));
        let meant = text.map(|text| did_you_mean(&text, &words)).unwrap_or_default();
        format!("option {key}: expected {others} or {last}, not {shown}{meant}")
    })
}

pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", text.to_string_lossy()),
        Value::Number(_) | Value::Integer(_) | Value::Boolean(_) => {
            value.to_string().unwrap_or_default()
        }
        other => kind_of(other),
    }
}
