//! Places in the operator's Lua files, as far as Lua itself knows them: files and lines.
use std::ops::Range;

use gopiper_core::About;
use mlua::Lua;

/// How many levels of the stack are searched for a place in a file.
const DEPTH: usize = 50;

/// A place in a Lua file.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The file's name in Lua.
    pub(crate) chunk: String,
    /// From 1 on.
    pub(crate) line: usize,
    pub(crate) what: PlaceKind,
    /// The lines that called the function, or required the file, that contains the place.
    pub(crate) called_from: Vec<(String, usize)>,
}

/// The object at a place.
#[derive(Debug, Clone)]
pub(crate) enum PlaceKind {
    Line,
    Word(String),
    /// A range of the file's bytes, from its parser.
    Range(Range<usize>),
    /// Text that Lua cannot parse, as Lua quotes it.
    Nonsense(String),
    Call(CallSite),
}

/// A call, and perhaps something in one of its arguments.
#[derive(Debug, Clone)]
pub(crate) struct CallSite {
    /// The name by which it is called there.
    pub(crate) name: String,
    /// How many calls by this name were made on this line before.
    pub(crate) nth: usize,
    /// How many of them had the same first argument.
    pub(crate) nth_of_first: usize,
    /// The first argument, if it is a string.
    pub(crate) first: Option<String>,
    /// From 1 on; 0 for the call itself.
    pub(crate) argument: usize,
    /// The number of the argument with its options; 0 for none.
    pub(crate) options: usize,
    /// As of attributes: `retry.max_attempts`, `paths[2]`.
    pub(crate) path: String,
}

impl Place {
    /// The place where the operator's Lua called the running function; `known` is the function's
    /// name in the module.
    pub(crate) fn of_call(
        lua: &Lua,
        known: &str,
        options: usize,
        first: Option<String>,
    ) -> Option<Self> {
        let mut stack = (1..DEPTH).map_while(|level| {
            lua.inspect_stack(level, |frame| {
                let source = frame.source().source.unwrap_or_default();
                Some((level, source.strip_prefix('@')?.to_owned(), frame.current_line()?))
            })
        });
        let (level, chunk, line) = stack.find_map(|frame| frame)?;
        let called_from = stack.flatten().map(|(_, chunk, line)| (chunk, line)).collect();
        let name = lua.inspect_stack(level - 1, |callee| callee.names().name.map(String::from));
        let name = name.flatten().unwrap_or_else(|| known.to_owned());
        let what = PlaceKind::Call(CallSite {
            name,
            nth: 0,
            nth_of_first: 0,
            first,
            options,
            argument: 0,
            path: String::new(),
        });
        Some(Place { chunk, line, what, called_from })
    }

    /// The subject of an error, if this is the call that created the component: options are the
    /// last argument of each function.
    pub(crate) fn about(&self, about: About<'_>) -> Self {
        let PlaceKind::Call(call) = &self.what else { return self.clone() };
        match (about, call.options) {
            (About::Component, _) | (About::Option(_), 0) => self.clone(),
            (About::Attribute(path), options) => self.within(options.saturating_sub(1), path),
            (About::Option(path), options) => self.within(options, path),
        }
    }

    /// Something in an argument of this call.
    pub(crate) fn within(&self, argument: usize, path: &str) -> Self {
        let mut place = self.clone();
        if let PlaceKind::Call(call) = &mut place.what {
            (call.argument, call.path) = (argument, path.to_owned());
        }
        place
    }
}
