//! Finds where a Lua file converts numbers to text with `..`, which writes 14 digits only, and
//! where it uses a 64-bit integer as the key of a table, where it equals no other key.
//!
//! The type of a value is known only at run time. A value from JSON or `tonumber`, also through a
//! name or an attribute, may be a number, unless the file treats it as a string elsewhere.
use std::collections::{HashMap, HashSet};

use full_moon::{
    ast::{
        Assignment, Ast, BinOp, Call, Expression, Field, FunctionArgs, FunctionCall, GenericFor,
        Index, LocalAssignment, Prefix, Suffix, UnOp, Var, VarExpression,
    },
    tokenizer::TokenReference,
    visitors::Visitor,
};

use crate::problem::{
    place::{Place, PlaceKind},
    remark::Remark,
    syntax,
};

/// A warning for each operand of `..` that may be a number, and each key that may be an integer.
pub(crate) fn lost(chunk: &str, text: &str) -> Vec<Remark> {
    if !["json", "decode", "tonumber"].into_iter().any(|word| text.contains(word)) {
        return Vec::new();
    }
    let found = syntax::with_parsed(text, |ast, _| find(ast)).unwrap_or_default();
    let notes = found.into_iter().map(|(as_key, line, mut range)| {
        // The parser leaves the last bracket out.
        let count = |bracket| text[range.clone()].matches(bracket).count();
        if count('[') > count(']') && text[range.end..].starts_with(']') {
            range.end += 1;
        }
        let operand = match text[range.clone()].trim() {
            long if long.len() > MOST_SHOWN || long.contains('\n') => "…".to_owned(),
            operand => operand.to_owned(),
        };
        let (chunk, called_from) = (chunk.to_owned(), Vec::new());
        let place = Place { chunk, line, what: PlaceKind::Range(range), called_from };
        let operand = operand.as_str();
        let text = match as_key {
            false => format!(
                "if `{operand}` is a number, `..` writes only 14 of its digits; use \
                 tostring({operand})"
            ),
            true => format!(
                "if `{operand}` is a 64-bit integer, it is a key that never equals another one; \
                 use tostring({operand})"
            ),
        };
        Remark::warning(Some(place), text)
    });
    notes.collect()
}

/// The longest operand that is repeated in a warning, in bytes.
const MOST_SHOWN: usize = 60;

/// The methods of strings.
const OF_STRINGS: [&str; 12] = [
    "byte", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse", "sub",
    "upper",
];

/// Whether it is a key, the line, and the bytes.
type Found = (bool, usize, std::ops::Range<usize>);

fn find(ast: &Ast) -> Vec<Found> {
    let mut numbers = Numbers::default();
    // A name may be given to another one before: until no more are found.
    loop {
        let known = |numbers: &Numbers| (numbers.names.clone(), numbers.texts.len());
        let before = known(&numbers);
        numbers.visit_ast(ast);
        if known(&numbers) == before {
            break;
        }
        numbers.found.clear();
    }
    numbers.found
}

/// The possible type of a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MayBe {
    /// A Lua number.
    Number,
    /// Also a 64-bit integer, or a table that contains some.
    Integer,
}

/// Names that may be numbers.
#[derive(Default)]
struct Numbers {
    names: HashMap<String, MayBe>,
    /// Names that the file treats as strings.
    texts: HashSet<String>,
    /// Tables that the file writes with names as keys: other keys find nothing there.
    named: HashSet<String>,
    /// Keys of such tables, by where they are.
    sought: HashSet<std::ops::Range<usize>>,
    found: Vec<Found>,
}

impl Numbers {
    fn name(&mut self, name: Option<String>, value: Option<&Expression>) {
        if let (Some(name), Some(Expression::TableConstructor(table))) = (&name, value) {
            let mut fields = table.fields().iter();
            if fields.all(|field| matches!(field, Field::NameKey { .. }))
                && !table.fields().is_empty()
            {
                self.named.insert(name.clone());
            }
        }
        if let (Some(name), Some(value)) = (name, value)
            && let Some(kind) = self.may_be(value)
        {
            self.add(name, kind);
        }
    }

    /// Whether the file compares it with a string, or calls a method of strings.
    fn is_text(&self, var: &Var) -> bool {
        matches!(var, Var::Name(name) if self.texts.contains(&said(name)))
    }

    fn add_text(&mut self, expression: &Expression) {
        if let Expression::Var(Var::Name(name)) = expression {
            self.texts.insert(said(name));
        }
    }

    fn add(&mut self, name: String, kind: MayBe) {
        let known = self.names.entry(name).or_insert(kind);
        *known = kind.max(*known);
    }

    fn may_be(&self, expression: &Expression) -> Option<MayBe> {
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
                | BinOp::GreaterThanEqual(_) => None,
                _ => self.may_be(lhs).max(self.may_be(rhs)),
            },
            Expression::FunctionCall(call) => makes_number(call),
            // Most attributes are texts, unless the file itself puts a number into one.
            Expression::Var(var) if is_attribute(var) => {
                self.names.get(&name_of(var)?).copied().map(|_| MayBe::Number)
            }
            Expression::Var(var) if self.is_text(var) => None,
            Expression::Var(var) => {
                let names = [name_of(var), first_of(var)];
                names.into_iter().flatten().filter_map(|name| self.names.get(&name)).max().copied()
            }
            _ => None,
        }
    }
}

fn makes_number(call: &FunctionCall) -> Option<MayBe> {
    let suffixes: Vec<_> = call.suffixes().collect();
    match (call.prefix(), &suffixes[..]) {
        (_, [.., Suffix::Call(Call::MethodCall(method))]) => {
            matches!(&*said(method.name()), "json" | "decode").then_some(MayBe::Integer)
        }
        (Prefix::Name(name), [Suffix::Call(Call::AnonymousCall(_))]) => {
            (said(name) == "tonumber").then_some(MayBe::Number)
        }
        _ => None,
    }
}

/// Whether it is `message.attributes.NAME`.
fn is_attribute(var: &Var) -> bool {
    let Var::Expression(var) = var else { return false };
    let suffixes: Vec<_> = var.suffixes().collect();
    let [.., Suffix::Index(Index::Dot { name, .. }), Suffix::Index(_)] = &suffixes[..] else {
        return false;
    };
    said(name) == "attributes"
}

/// The name that a field is in: `a` in `a.b`.
fn first_of(var: &Var) -> Option<String> {
    let Var::Expression(var) = var else { return None };
    match var.prefix() {
        Prefix::Name(name) => Some(said(name)),
        _ => None,
    }
}

/// The argument of `ipairs` or `pairs`.
fn gone_through(expression: &Expression) -> Option<&Expression> {
    let Expression::FunctionCall(call) = expression else { return None };
    let Prefix::Name(name) = call.prefix() else { return None };
    let mut suffixes = call.suffixes();
    match (&*said(name), suffixes.next()) {
        ("ipairs" | "pairs", Some(Suffix::Call(Call::AnonymousCall(arguments)))) => {
            match &**arguments {
                FunctionArgs::Parentheses { arguments, .. } => arguments.iter().next(),
                _ => None,
            }
        }
        _ => None,
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

    fn visit_function_call(&mut self, call: &FunctionCall) {
        if let (Prefix::Name(name), Some(Suffix::Call(Call::MethodCall(method)))) =
            (call.prefix(), call.suffixes().next())
            && OF_STRINGS.contains(&&*said(method.name()))
        {
            self.texts.insert(said(name));
        }
    }

    fn visit_expression(&mut self, expression: &Expression) {
        let Expression::BinaryOperator { lhs, binop, rhs } = expression else { return };
        if let BinOp::TwoEqual(_) | BinOp::TildeEqual(_) = binop {
            for (one, other) in [(lhs, rhs), (rhs, lhs)] {
                if matches!(**other, Expression::String(_)) {
                    self.add_text(one);
                }
            }
        }
        if !matches!(binop, BinOp::TwoDots(_)) {
            return;
        }
        for side in [lhs, rhs] {
            if self.may_be(side).is_some() {
                self.found.extend(
                    syntax::line_and_range(&**side).map(|(line, range)| (false, line, range)),
                );
            }
        }
    }

    fn visit_generic_for(&mut self, all: &GenericFor) {
        let through = all.expressions().iter().next().and_then(gone_through);
        let kind = through.and_then(|through| self.may_be(through));
        if let (Some(kind), Some(name)) = (kind, all.names().iter().nth(1)) {
            self.add(said(name), kind);
        }
    }

    fn visit_var_expression(&mut self, var: &VarExpression) {
        if let (Prefix::Name(name), Some(Suffix::Index(Index::Brackets { expression, .. }))) =
            (var.prefix(), var.suffixes().next())
            && self.named.contains(&said(name))
        {
            self.sought.extend(syntax::line_and_range(expression).map(|(_, range)| range));
        }
    }

    fn visit_index(&mut self, index: &Index) {
        if let Index::Brackets { expression, .. } = index {
            self.key(expression);
        }
    }

    fn visit_field(&mut self, field: &Field) {
        if let Field::ExpressionKey { key, .. } = field {
            self.key(key);
        }
    }
}

impl Numbers {
    fn key(&mut self, key: &Expression) {
        if self.may_be(key) == Some(MayBe::Integer) {
            let place = syntax::line_and_range(key);
            let place = place.filter(|(_, range)| !self.sought.contains(range));
            self.found.extend(place.map(|(line, range)| (true, line, range)));
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
    fn possible_numbers_beside_two_dots() {
        assert_eq!(found("m.data = 'id=' .. m:json('id') .. '!'"), ["m:json('id')"]);
        assert_eq!(found("x = (m:decode('a') or 0) .. ''"), ["(m:decode('a') or 0)"]);
        assert_eq!(found("x = 'a' .. tonumber(y) + 1"), ["tonumber(y) + 1"]);
        assert_eq!(found("local id = m:json('id')\nlocal other = id\nx = 'a' .. other"), ["other"]);
        assert_eq!(
            found("m.attributes.id = m:json('id') x = m.attributes.id .. ''"),
            ["m.attributes.id"]
        );
        assert_eq!(found("x = 'a' .. b y = c .. m:json('c')"), ["m:json('c')"]);
        assert_eq!(found("for _, n in ipairs(m:decode('l')) do x = n .. '' end"), ["n"]);
        assert_eq!(
            found("local t = m:decode() x = t.id .. '' y = t.l[1] .. ''"),
            ["t.id", "t.l[1]"]
        );
        let notes = lost("a.lua", "x = 'a' .. m:json('id')");
        assert_eq!(
            notes[0].text,
            "if `m:json('id')` is a number, `..` writes only 14 of its digits; use \
             tostring(m:json('id'))"
        );
    }

    #[test]
    fn possible_64_bit_integers_as_keys() {
        assert_eq!(found("t[m:json('id')] = 1"), ["m:json('id')"]);
        assert_eq!(found("local id = m:json('id') return seen[id]"), ["id"]);
        assert_eq!(found("x = { [m:json('n')] = 1 }"), ["m:json('n')"]);
        assert_eq!(found("for _, n in ipairs(m:decode('l')) do t[n] = 1 end"), ["n"]);
    }

    #[test]
    fn harmless_code_is_left_alone() {
        for text in [
            "x = 'a' .. tostring(m:json('id'))",
            "local id = tostring(m:json('id')) x = 'a' .. id",
            "x = (m:json('a') == 5 and 'five' or 'other') .. '!'",
            "x = 'a' .. b -- m:json('id')",
            "x = 'a' .. #m:json('id')",
            "x = m:json('a') + 1",
            "t[tostring(m:json('id'))] = 1",
            "t[tonumber(x)] = 1",
            "for i, n in ipairs(m:decode('l')) do t[i] = n end",
            "m.attributes.n = 'a' .. b",
            "m.attributes[name] = 1",
            "local known = { a = 1 } local l = m:json('l') x = known[l]",
            "t[m.attributes.n] = 1",
            "local key = m.attributes.key x = key .. 'a'",
            "x = tonumber('1') y = ' <- ' .. m.attributes.path",
            "local l = m:json('level') if l == 'error' then x = l .. ' ' end",
            "for _, l in ipairs(m:decode('l')) do x = l:upper() .. l .. ' ' end",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
