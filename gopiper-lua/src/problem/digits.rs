//! Where a Lua file makes text of numbers with `..`, which writes 14 digits of one and nothing of the rest.
//!
//! What a value is, only Lua knows when it runs. What comes of JSON or `tonumber`, also by a name, may be a number.
use std::collections::HashSet;

use full_moon::{
    ast::{
        Assignment, Ast, BinOp, Call, Expression, FunctionCall, Index, LocalAssignment, Prefix,
        Suffix, UnOp, Var,
    },
    tokenizer::TokenReference,
    visitors::Visitor,
};

use crate::problem::{
    note::Note,
    place::{Place, What},
    syntax,
};

/// What may be numbers, and stands beside a `..`: a warning for each.
pub(crate) fn lost(chunk: &str, text: &str) -> Vec<Note> {
    let has = |word| memchr::memmem::find(text.as_bytes(), word).is_some();
    if !has(b"..") || ![&b"json"[..], b"decode", b"tonumber"].into_iter().any(has) {
        return Vec::new();
    }
    let found = syntax::with_parsed(text, |ast, _| find(ast)).unwrap_or_default();
    let notes = found.into_iter().map(|(line, range)| {
        let (chunk, called_from) = (chunk.to_owned(), Vec::new());
        let place = Place { chunk, line, what: What::Range(range), called_from };
        Note::warning(
            Some(place),
            "`..` writes 14 digits of a number: of a longer one the last are lost\n\
             tostring(…) around it writes all of them",
        )
    });
    notes.collect()
}

fn find(ast: &Ast) -> Vec<(usize, std::ops::Range<usize>)> {
    let mut numbers = Numbers::default();
    // A name may be given to another one before: until no more are found.
    loop {
        let before = numbers.names.len();
        numbers.visit_ast(ast);
        if numbers.names.len() == before {
            break;
        }
        numbers.found.clear();
    }
    numbers.found
}

/// What may be numbers.
#[derive(Default)]
struct Numbers {
    names: HashSet<String>,
    found: Vec<(usize, std::ops::Range<usize>)>,
}

impl Numbers {
    fn name(&mut self, name: Option<String>, value: Option<&Expression>) {
        if let (Some(name), Some(value)) = (name, value)
            && self.may_be(value)
        {
            self.names.insert(name);
        }
    }

    fn may_be(&self, expression: &Expression) -> bool {
        match expression {
            Expression::Parentheses { expression, .. }
            | Expression::UnaryOperator { expression, unop: UnOp::Minus(_) } => {
                self.may_be(expression)
            }
            Expression::BinaryOperator { lhs, binop, rhs } => match binop {
                BinOp::TwoDots(_)
                | BinOp::TwoEqual(_)
                | BinOp::TildeEqual(_)
                | BinOp::LessThan(_)
                | BinOp::LessThanEqual(_)
                | BinOp::GreaterThan(_)
                | BinOp::GreaterThanEqual(_) => false,
                _ => self.may_be(lhs) || self.may_be(rhs),
            },
            Expression::FunctionCall(call) => makes_number(call),
            Expression::Var(var) => name_of(var).is_some_and(|name| self.names.contains(&name)),
            _ => false,
        }
    }
}

fn makes_number(call: &FunctionCall) -> bool {
    let suffixes: Vec<_> = call.suffixes().collect();
    match (call.prefix(), &suffixes[..]) {
        (_, [.., Suffix::Call(Call::MethodCall(method))]) => {
            matches!(&*said(method.name()), "json" | "decode")
        }
        (Prefix::Name(name), [Suffix::Call(Call::AnonymousCall(_))]) => said(name) == "tonumber",
        _ => false,
    }
}

/// The name that a value has last: `a`, or `b` in `a.b`.
fn name_of(var: &Var) -> Option<String> {
    match var {
        Var::Name(name) => Some(said(name)),
        Var::Expression(var) => match var.suffixes().last()? {
            Suffix::Index(Index::Dot { name, .. }) => Some(said(name)),
            _ => None,
        },
        _ => None,
    }
}

fn said(token: &TokenReference) -> String {
    token.token().to_string()
}

impl Visitor for Numbers {
    fn visit_local_assignment(&mut self, local: &LocalAssignment) {
        let mut values = local.expressions().iter();
        for name in local.names() {
            self.name(Some(said(name)), values.next());
        }
    }

    fn visit_assignment(&mut self, assignment: &Assignment) {
        let mut values = assignment.expressions().iter();
        for var in assignment.variables() {
            self.name(name_of(var), values.next());
        }
    }

    fn visit_expression(&mut self, expression: &Expression) {
        let Expression::BinaryOperator { lhs, binop: BinOp::TwoDots(_), rhs } = expression else {
            return;
        };
        for side in [lhs, rhs] {
            if self.may_be(side) {
                self.found.extend(syntax::line_and_range(&**side));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let notes = lost("a.lua", text);
        let places = notes.iter().map(|note| note.place.as_ref().unwrap());
        places.map(|place| &text[syntax::range(text, place)]).collect()
    }

    #[test]
    fn what_may_be_a_number_beside_two_dots() {
        assert_eq!(found("m.data = 'id=' .. m:json('id') .. '!'"), ["m:json('id')"]);
        assert_eq!(found("x = (m:decode('a') or 0) .. ''"), ["(m:decode('a') or 0)"]);
        assert_eq!(found("x = 'a' .. tonumber(y) + 1"), ["tonumber(y) + 1"]);
        assert_eq!(found("local id = m:json('id')\nlocal other = id\nx = 'a' .. other"), ["other"]);
        assert_eq!(
            found("m.attributes.id = m:json('id') x = m.attributes.id .. ''"),
            ["m.attributes.id"]
        );
        assert_eq!(found("x = 'a' .. b y = c .. m:json('c')"), ["m:json('c')"]);
    }

    #[test]
    fn what_is_none_is_left_alone() {
        for text in [
            "x = 'a' .. tostring(m:json('id'))",
            "local id = tostring(m:json('id')) x = 'a' .. id",
            "x = (m:json('a') == 5 and 'five' or 'other') .. '!'",
            "x = 'a' .. b -- m:json('id')",
            "x = 'a' .. #m:json('id')",
            "x = m:json('a') + 1",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
