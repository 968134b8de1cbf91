//! A call of one of the module's functions, and its errors.
use gopiper_core::loader::Refusal;
use mlua::{FromLuaMulti, Function, IntoLua, Lua, Value};

use super::{exactly::FromLuaExactly, made::Made};
use crate::{
    language::{
        kind::kind_of,
        placeholder::{is_placeholder, placeholder},
    },
    problem::{
        place::{Place, PlaceKind},
        remark::Remark,
    },
};

/// A call of one of the module's functions, with its position. Errors are noted, so that the file
/// goes on and all of them are found.
pub(super) struct ModuleCall<'l> {
    pub(super) lua: &'l Lua,
    pub(super) name: &'static str,
    place: Option<Place>,
}

/// A function of the module, with its name. Argument `options` is its options. If it cannot create
/// its result, it returns a placeholder.
pub(super) fn function<A: FromLuaMulti, R: IntoLua>(
    lua: &Lua,
    name: &'static str,
    options: usize,
    called: impl Fn(&ModuleCall<'_>, A) -> Option<R> + Send + 'static,
) -> mlua::Result<(&'static str, Function)> {
    let function = lua.create_function(move |lua, arguments: mlua::MultiValue| {
        let first = arguments.front().and_then(|first| Some(first.as_string()?.to_string_lossy()));
        let call = ModuleCall {
            lua,
            name,
            place: counted(lua, Place::of_call(lua, name, options, first)),
        };
        match called(&call, A::from_lua_multi(arguments, lua)?) {
            Some(made) => made.into_lua(lua),
            None => placeholder(lua),
        }
    });
    Ok((name, function?))
}

/// Adds the number of earlier calls on the same line.
fn counted(lua: &Lua, place: Option<Place>) -> Option<Place> {
    let mut place = place?;
    if let PlaceKind::Call(call) = &mut place.what {
        let mut made = lua.app_data_mut::<Made>()?;
        let line = (place.chunk.clone(), place.line, call.name.clone());
        let mut count = |first| {
            let count = made.calls.entry((line.clone(), first)).or_default();
            std::mem::replace(count, *count + 1)
        };
        (call.nth, call.nth_of_first) = (count(None), count(Some(call.first.clone())));
    }
    Some(place)
}

impl ModuleCall<'_> {
    /// Its position, or that of something in one of its arguments.
    pub(super) fn place(&self, argument: usize, path: &str) -> Option<Place> {
        Some(self.place.as_ref()?.within(argument, path))
    }

    pub(super) fn note(&self, note: Remark) {
        if let Some(mut made) = self.lua.app_data_mut::<Made>() {
            made.notes.push(note);
        }
    }

    /// Notes an error in an argument; 0 is the call itself.
    pub(super) fn wrong(&self, argument: usize, path: &str, text: impl Into<String>) {
        self.note(Remark::error(self.place(argument, path), text));
    }

    /// Notes that the file in the first argument was refused as a component.
    pub(super) fn refused(&self, refusal: Refusal) {
        self.note(Remark::refused(self.place(1, ""), refusal));
    }

    /// A required argument; `None` if it is wrong.
    pub(super) fn argument<T: FromLuaExactly>(
        &self,
        number: usize,
        what: &str,
        value: Value,
    ) -> Option<T> {
        if is_placeholder(&value) {
            return None;
        }
        let found = kind_of(&value);
        let taken = T::from_lua_exactly(value);
        if taken.is_none() {
            let error = format!(
                "{}: argument {number} ({what}) must be {}, not {}",
                self.name,
                T::NAME,
                found
            );
            self.wrong(number, "", error);
        }
        taken
    }

    /// An optional argument.
    pub(super) fn optional<T: FromLuaExactly>(
        &self,
        number: usize,
        what: &str,
        value: Value,
    ) -> Option<T> {
        if value.is_nil() { None } else { self.argument(number, what, value) }
    }
}
