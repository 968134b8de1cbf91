//! The bytes of a Lua file at a place: Lua knows the line, its source tells the rest.
use std::{ops::Range, thread};

use full_moon::{
    LuaVersion,
    ast::{
        self, Ast, Expression, Field, FunctionArgs, FunctionCall, Index, Prefix, Suffix,
        TableConstructor, VarExpression,
    },
    node::Node,
    tokenizer::{TokenReference, TokenType},
    visitors::Visitor,
};

use crate::problem::place::{CallSite, Place, PlaceKind};

/// The range of a place in the text of its file; at worst, its line.
pub(crate) fn range(text: &str, place: &Place) -> Range<usize> {
    let line = line(text, place.line);
    let found = match &place.what {
        PlaceKind::Line => None,
        PlaceKind::Word(word) => find_word(&text[line.clone()], word)
            .map(|at| line.start + at..line.start + at + word.len()),
        PlaceKind::Nonsense(near) => nonsense(text, line.clone(), near),
        PlaceKind::Range(range) => Some(range.clone()),
        PlaceKind::Call(call) => find_call(text, place.line, call),
    };
    let found = found.filter(|range| text.get(range.clone()).is_some_and(|it| !it.is_empty()));
    // Only the first of several lines, to keep the output small.
    found.map_or(line, |range| {
        let first = text[range.clone()].lines().next().unwrap_or_default().trim_end().len();
        range.start..range.start + first
    })
}

/// A line without the space around it; for an empty line, the last one before it that is not empty.
fn line(text: &str, number: usize) -> Range<usize> {
    let mut said = 0..0;
    let mut start = 0;
    for line in text.split_inclusive('\n').take(number) {
        let trimmed = line.trim();
        if !trimmed.is_empty() {
            let begin = start + (line.len() - line.trim_start().len());
            said = begin..begin + trimmed.len();
        }
        start += line.len();
    }
    said
}

/// The position of a name as a whole word.
fn find_word(line: &str, word: &str) -> Option<usize> {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut found = line.match_indices(word).map(|(at, _)| at);
    found.find(|at| !line[..*at].ends_with(part) && !line[at + word.len()..].starts_with(part))
}

/// The parser's stack for each byte of a file: it recurses for each level of nesting, also to free
/// its result. Only the used part takes memory.
const STACK: usize = 16 << 10;
/// For a larger file only lines are shown.
const LARGEST: usize = 64 << 10;

/// Parses a file, on a thread of its own, so that no file can end the process.
pub(crate) fn with_parsed<T: Send>(
    text: &str,
    look: impl FnOnce(&Ast, &[full_moon::Error]) -> T + Send,
) -> Option<T> {
    if text.len() > LARGEST {
        return None;
    }
    let parse = || {
        let parsed = full_moon::parse_fallible(text, LuaVersion::luajit());
        look(parsed.ast(), parsed.errors())
    };
    thread::scope(|scope| {
        let parser = thread::Builder::new().name("gopiper-parser".into());
        let parser = parser.stack_size((text.len() + 256) * STACK).spawn_scoped(scope, parse);
        parser.ok()?.join().ok()
    })
}

/// The line of a node, and its bytes.
pub(crate) fn line_and_range(node: &impl Node) -> Option<(usize, Range<usize>)> {
    Some((node.start_position()?.line(), bytes(node)?))
}

/// Text that Lua cannot parse: Lua quotes it, and the parser knows roughly where it is.
fn nonsense(text: &str, line: Range<usize>, near: &str) -> Option<Range<usize>> {
    let parsers = with_parsed(text, |_, errors| {
        let mut ranges =
            errors.iter().map(|error| error.range().0.bytes()..error.range().1.bytes());
        ranges.find(|range| line.contains(&range.start))
    });
    let parsers = parsers.flatten();
    let start = parsers.as_ref().map_or(line.start, |range| range.start);
    if near.is_empty() {
        return parsers;
    }
    let at = start + text.get(start..line.end)?.find(near)?;
    Some(at..at + near.len())
}

fn find_call(text: &str, number: usize, wanted: &CallSite) -> Option<Range<usize>> {
    with_parsed(text, |ast, _| find_call_in(ast, number, wanted)).flatten()
}

fn find_call_in(ast: &Ast, number: usize, wanted: &CallSite) -> Option<Range<usize>> {
    let mut calls = Calls { name: &wanted.name, line: number, found: Vec::new() };
    calls.visit_ast(ast);
    let mut found = calls.found;
    // In the order of execution.
    found.sort_by_key(|call| call.end);
    let fits = |call: &Match| match (call.arguments.first(), &wanted.first) {
        (Some(Expression::String(token)), Some(first)) => string(token) == Some(first),
        _ => true,
    };
    let mut index = wanted.nth.checked_rem(found.len())?;
    // With an untaken branch or a loop, the call is at another index.
    if !fits(&found[index]) && found.iter().any(fits) {
        found.retain(fits);
        index = wanted.nth_of_first % found.len();
    }
    let call = found.swap_remove(index);
    let argument = wanted.argument.checked_sub(1).and_then(|index| call.arguments.get(index));
    match argument {
        Some(argument) => range_of(argument, &wanted.path).or(Some(call.callee)),
        None => Some(call.callee),
    }
}

/// The field that a path leads to, or how far it leads.
fn range_of(expression: &Expression, path: &str) -> Option<Range<usize>> {
    let (mut at, mut range) = (expression, bytes(expression)?);
    let path = path.replace('[', ".[");
    for segment in path.split('.').filter(|segment| !segment.is_empty()) {
        let Some((field, name)) = table(at).and_then(|table| find_field(table, segment)) else {
            break;
        };
        (at, range) = (field, name);
    }
    Some(range)
}

fn table(expression: &Expression) -> Option<&TableConstructor> {
    match expression {
        Expression::TableConstructor(table) => Some(table),
        Expression::Parentheses { expression, .. } => table(expression),
        _ => None,
    }
}

/// A field's value, and the position of its key, or of the value if it has no key.
fn find_field<'t>(
    table: &'t TableConstructor,
    segment: &str,
) -> Option<(&'t Expression, Range<usize>)> {
    let number = segment.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let mut place = 0;
    let mut found = None;
    for field in table.fields() {
        match field {
            Field::NameKey { key, value, .. } if key.token().to_string() == segment => {
                found = Some((&**value, bytes(key)?));
            }
            Field::ExpressionKey { key, value, .. } => {
                let named = match &**key {
                    Expression::String(token) => string(token) == Some(segment),
                    Expression::Number(token) => Some(&*token.token().to_string()) == number,
                    _ => false,
                };
                if named {
                    found = Some((&**value, bytes(&**key)?));
                }
            }
            Field::NoKey(value) => {
                place += 1;
                if number == Some(&*place.to_string()) {
                    found = Some((value, bytes(value)?));
                }
            }
            _ => {}
        }
    }
    // Of several with the same key, the last one counts.
    found
}

/// The contents of a string without escapes.
fn string(token: &TokenReference) -> Option<&str> {
    match token.token().token_type() {
        TokenType::StringLiteral { literal, .. } => Some(literal.as_str()),
        _ => None,
    }
}

fn bytes(node: &impl Node) -> Option<Range<usize>> {
    let (start, end) = node.range()?;
    Some(start.bytes()..end.bytes())
}

/// The calls by a name whose arguments begin on a line.
struct Calls<'n> {
    name: &'n str,
    line: usize,
    found: Vec<Match>,
}

struct Match {
    callee: Range<usize>,
    arguments: Vec<Expression>,
    end: usize,
}

impl Calls<'_> {
    fn look<'a>(&mut self, prefix: &Prefix, suffixes: impl Iterator<Item = &'a Suffix>) {
        let start = prefix.start_position().map_or(0, |position| position.bytes());
        let mut callee = match prefix {
            Prefix::Name(name) => Some(name.clone()),
            _ => None,
        };
        for suffix in suffixes {
            let (name, arguments) = match suffix {
                Suffix::Index(Index::Dot { name, .. }) => {
                    callee = Some(name.clone());
                    continue;
                }
                Suffix::Call(ast::Call::AnonymousCall(arguments)) => (callee.take(), &**arguments),
                Suffix::Call(ast::Call::MethodCall(call)) => {
                    callee = None;
                    (Some(call.name().clone()), call.args())
                }
                _ => {
                    callee = None;
                    continue;
                }
            };
            let (Some(name), Some((begin, end))) = (name, arguments.range()) else { continue };
            if begin.line() == self.line && name.token().to_string() == self.name {
                let callee = start..name.token().end_position().bytes();
                self.found.push(Match { callee, arguments: listed(arguments), end: end.bytes() });
            }
        }
    }
}

impl Visitor for Calls<'_> {
    fn visit_function_call(&mut self, call: &FunctionCall) {
        self.look(call.prefix(), call.suffixes());
    }

    fn visit_var_expression(&mut self, expression: &VarExpression) {
        self.look(expression.prefix(), expression.suffixes());
    }
}

fn listed(arguments: &FunctionArgs) -> Vec<Expression> {
    match arguments {
        FunctionArgs::Parentheses { arguments, .. } => arguments.iter().cloned().collect(),
        FunctionArgs::String(token) => vec![Expression::String(token.clone())],
        FunctionArgs::TableConstructor(table) => vec![Expression::TableConstructor(table.clone())],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, nth: usize, argument: usize, path: &str) -> PlaceKind {
        let (name, path) = (name.to_owned(), path.to_owned());
        PlaceKind::Call(CallSite {
            name,
            nth,
            nth_of_first: nth,
            first: None,
            options: 0,
            argument,
            path,
        })
    }

    fn found(text: &str, line: usize, what: PlaceKind) -> &str {
        let place = Place { chunk: "a.lua".into(), line, what, called_from: Vec::new() };
        &text[range(text, &place)]
    }

    #[test]
    fn a_field_is_found_in_tables_of_several_lines() {
        let text = "-- é\nlocal x = g.load('a', {\n\tone = 1,\n  ['two'] = { three = 'ü', 'x', 'y' },\n}, o)";
        for (argument, path, expected) in [
            (0, "", "g.load"),
            (1, "", "'a'"),
            (2, "one", "one"),
            (2, "two.three", "three"),
            (2, "two[2]", "'y'"),
            (2, "two.four", "'two'"),
            (2, "five", "{"),
            (3, "five", "o"),
            (4, "", "g.load"),
        ] {
            assert_eq!(found(text, 2, call("load", 0, argument, path)), expected, "{path}");
        }
    }

    #[test]
    fn of_several_calls_on_a_line_the_one_that_was_made() {
        let text = "f { load 'a', load 'b', x:load { c = 1 } }; load(load('d'))";
        for (nth, expected) in ["load", "load", "x:load", "load", "load", "load"].iter().enumerate()
        {
            assert_eq!(found(text, 1, call("load", nth, 0, "")), *expected, "{nth}");
        }
        assert_eq!(found(text, 1, call("load", 1, 1, "")), "'b'");
        assert_eq!(found(text, 1, call("load", 2, 1, "c")), "c");
        assert_eq!(found(text, 1, call("load", 4, 1, "")), "load('d')");
        // A loop comes by again.
        assert_eq!(found(text, 1, call("load", 6, 1, "")), "'b'");
    }

    #[test]
    fn words_lines_and_nonsense() {
        let text = "local a = 1\n\tlocal names = name.x -- more\nlocal b = }\n";
        assert_eq!(found(text, 2, PlaceKind::Word("name".into())), "name");
        assert_eq!(found(text, 2, PlaceKind::Word("none".into())), "local names = name.x -- more");
        assert_eq!(found(text, 2, PlaceKind::Line), "local names = name.x -- more");
        assert_eq!(found(text, 3, PlaceKind::Nonsense("}".into())), "}");
        assert_eq!(found(text, 4, PlaceKind::Nonsense("<eof>".into())), "local b = }");
        assert_eq!(found(text, 1, call("load", 0, 0, "")), "local a = 1");
    }
}
