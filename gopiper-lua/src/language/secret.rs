//! `gopiper.secret`: a text for components that is hidden everywhere else.
use std::{env, fs, path::Path};

use gopiper_core::{plural, secrets};
use mlua::{Lua, MetaMethod, UserData, UserDataFields, UserDataMethods, Value};

use crate::language::kind::kind_of;

/// A secret in the pipeline's file: only components get its text.
pub(crate) struct Secret(pub(crate) String);

impl UserData for Secret {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", "secret");
    }

    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, _, ()| Ok(secrets::SHOWN));
        methods.add_meta_function(MetaMethod::Concat, |lua, (left, right): (Value, Value)| {
            let (left, right) = (part(lua, left)?, part(lua, right)?);
            Ok(Secret(left + &right))
        });
    }
}

/// The other operand of a concatenation: a secret, or anything that Lua accepts as a string.
fn part(lua: &Lua, value: Value) -> mlua::Result<String> {
    if let Some(secret) = value.as_userdata().and_then(|data| data.borrow::<Secret>().ok()) {
        return Ok(secret.0.clone());
    }
    let kind = kind_of(&value);
    let text = lua.coerce_string(value)?.and_then(|text| Some(text.to_str().ok()?.to_owned()));
    text.ok_or_else(|| mlua::Error::runtime(format!("attempt to concatenate a secret and {kind}")))
}

/// A secret from an environment variable.
pub(crate) fn from_environment(name: &str) -> Result<Secret, String> {
    match env::var(name) {
        Ok(text) => kept(text, &format!("the variable '{name}' of the environment")),
        Err(env::VarError::NotPresent) => {
            Err(format!("secret: the environment has no variable '{name}'"))
        }
        Err(env::VarError::NotUnicode(_)) => {
            Err(format!("secret: the variable '{name}' of the environment is not text"))
        }
    }
}

/// A secret from a file, without the end of its last line.
pub(crate) fn from_file(file: &Path) -> Result<Secret, String> {
    let shown = file.display();
    let text = fs::read(file).map_err(|error| format!("secret: cannot read {shown}: {error}"))?;
    let text = String::from_utf8(text).map_err(|_| format!("secret: {shown} is not text"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    kept(text.strip_suffix('\r').unwrap_or(text).to_owned(), &shown.to_string())
}

fn kept(text: String, holder: &str) -> Result<Secret, String> {
    if text.len() < secrets::MIN_LENGTH {
        return Err(format!(
            "secret: {holder} has {}; a secret needs at least {}\n\
             a shorter one also occurs in ordinary text, so it could not be kept out of the log",
            plural(text.len(), "byte"),
            secrets::MIN_LENGTH
        ));
    }
    secrets::keep(&text);
    Ok(Secret(text))
}
