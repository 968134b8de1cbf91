//! Takes the text of an expression apart. The crate `cel` reads it; what its parts mean is decided
//! here.
use std::{cell::RefCell, ops::Range};

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SelectExpr, SourceInfo, operators};
use cel::parser::Parser;
use gopiper_abi::nearest::did_you_mean;
use json_fields::Path;
use regex::Regex;

use crate::{
    functions::{self, Function},
    known::Known,
    mistake::Mistake,
    node::{Calculation, Comparison, Node, Part, Read},
};

/// What an expression can read of a message.
const ROOTS: [&str; 6] = ["data", "json", "attributes", "value", "time", "now"];
/// How deeply parts may be nested.
const DEPTH: u16 = 50;

pub(crate) fn parse(text: &str) -> Result<Node, Mistake> {
    let parser = Parser::new().max_recursion_depth(DEPTH);
    let parser = parser.enable_ident_escape_syntax(true);
    let (tree, places) = parser.parse_with_source_info(text).map_err(|errors| {
        let error = errors.errors.into_iter().next();
        let (line, column) = error.as_ref().map_or((1, 1), |error| error.pos);
        let start = byte_of(text, line, column);
        let what = error.map_or_else(|| "it cannot be read".into(), |error| error.msg);
        Mistake { text: text.to_owned(), at: start..start + 1, what: plain(&what) }
    })?;
    Reader { text, places }.node(&tree)
}

/// The first line of the parser's message, which lists what it would have taken.
fn plain(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim_start_matches("Syntax error: ").to_owned()
}

fn byte_of(text: &str, line: isize, column: isize) -> usize {
    let before = usize::try_from(line - 1).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
    let signs = usize::try_from(column - 1).unwrap_or(0);
    let within = text[start..].char_indices().nth(signs).map_or(text.len() - start, |it| it.0);
    start + within
}

struct Reader<'a> {
    text: &'a str,
    places: SourceInfo,
}

impl Reader<'_> {
    fn place(&self, id: u64) -> Range<usize> {
        let (start, stop) = self.places.offset_for(id).unwrap_or_default();
        // The parser counts characters, and includes the last.
        let byte = |sign: u32| {
            self.text.char_indices().nth(sign as usize).map_or(self.text.len(), |it| it.0)
        };
        byte(start)..byte(stop.max(start) + 1)
    }

    /// Where a part begins. The parser knows a path by its last dot or bracket.
    fn start(&self, tree: &IdedExpr) -> usize {
        match &tree.expr {
            Expr::Select(SelectExpr { operand, test: false, .. }) => self.start(operand),
            Expr::Call(CallExpr { func_name, args, .. }) if func_name == operators::INDEX => {
                args.first().map_or(0, |of| self.start(of))
            }
            _ => self.place(tree.id).start,
        }
    }

    /// The name of a function, which the parser knows by the bracket behind it.
    fn name(&self, id: u64, name: &str) -> Range<usize> {
        let place = self.place(id);
        let before = self.text.get(..place.start).unwrap_or_default().trim_end();
        match before.strip_suffix(name) {
            Some(start) => start.len()..before.len(),
            None => place,
        }
    }

    fn mistake(&self, id: u64, what: impl Into<String>) -> Mistake {
        Mistake { text: self.text.to_owned(), at: self.place(id), what: what.into() }
    }

    fn node(&self, tree: &IdedExpr) -> Result<Node, Mistake> {
        let part = match &tree.expr {
            Expr::Literal(literal) => Part::Constant(constant(literal)),
            Expr::List(list) => Part::List(self.all(&list.elements)?),
            Expr::Ident(_) | Expr::Select(SelectExpr { test: false, .. }) => {
                Part::Read(self.read(tree)?)
            }
            Expr::Select(select) => {
                let SelectExpr { operand, field, .. } = select;
                let (root, mut keys) = self.keys(operand)?;
                keys.push(field.clone());
                Part::Has(self.root(tree.id, &root, keys)?)
            }
            Expr::Call(call) => self.call(tree, call)?,
            Expr::Comprehension(_) => {
                return Err(self.mistake(
                    tree.id,
                    "'all', 'exists', 'exists_one', 'map' and 'filter' are not part of these \
                     expressions: use a function in Lua",
                ));
            }
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                return Err(self.mistake(tree.id, "maps are not part of these expressions"));
            }
        };
        Ok(Node { at: self.start(tree), part })
    }

    fn all(&self, trees: &[IdedExpr]) -> Result<Vec<Node>, Mistake> {
        trees.iter().map(|tree| self.node(tree)).collect()
    }

    fn boxed<const N: usize>(
        &self,
        trees: &[IdedExpr],
        id: u64,
    ) -> Result<Box<[Node; N]>, Mistake> {
        let nodes = self.all(trees)?.try_into();
        nodes.map(Box::new).map_err(|_| self.mistake(id, "it has too few or too many parts"))
    }

    fn call(&self, tree: &IdedExpr, call: &CallExpr) -> Result<Part, Mistake> {
        let CallExpr { func_name, target, args } = call;
        let compare = |comparison| Ok(Part::Compare(comparison, self.boxed(args, tree.id)?));
        let calculate = |calculation| Ok(Part::Calculate(calculation, self.boxed(args, tree.id)?));
        let one = || Ok(Box::new(self.node(&args[0])?));
        match func_name.as_str() {
            operators::INDEX => Ok(Part::Read(self.read(tree)?)),
            operators::LOGICAL_AND => Ok(Part::And(self.boxed(args, tree.id)?)),
            operators::LOGICAL_OR => Ok(Part::Or(self.boxed(args, tree.id)?)),
            operators::LOGICAL_NOT if args.len() == 1 => Ok(Part::Not(one()?)),
            operators::NEGATE if args.len() == 1 => Ok(Part::Negative(one()?)),
            operators::CONDITIONAL => Ok(Part::Choice(self.boxed(args, tree.id)?)),
            operators::EQUALS => compare(Comparison::Equal),
            operators::NOT_EQUALS => compare(Comparison::Different),
            operators::LESS => compare(Comparison::Less),
            operators::LESS_EQUALS => compare(Comparison::AtMost),
            operators::GREATER => compare(Comparison::Greater),
            operators::GREATER_EQUALS => compare(Comparison::AtLeast),
            operators::ADD => calculate(Calculation::Add),
            operators::SUBSTRACT => calculate(Calculation::Subtract),
            operators::MULTIPLY => calculate(Calculation::Multiply),
            operators::DIVIDE => calculate(Calculation::Divide),
            operators::MODULO => calculate(Calculation::Remainder),
            operators::IN => Ok(Part::In(self.boxed(args, tree.id)?)),
            name => self.function(tree, name, target.as_deref(), args),
        }
    }

    fn function(
        &self,
        tree: &IdedExpr,
        name: &str,
        target: Option<&IdedExpr>,
        args: &[IdedExpr],
    ) -> Result<Part, Mistake> {
        let Some((function, wanted)) = Function::named(name, target.is_some()) else {
            let names = functions::names(target.is_some());
            let hint = match did_you_mean(name, &names) {
                hint if hint.is_empty() => format!("; there are {}", names.join(", ")),
                hint => hint,
            };
            let what = format!("there is no function '{name}'{hint}");
            return Err(Mistake { at: self.name(tree.id, name), ..self.mistake(tree.id, what) });
        };
        if args.len() != wanted {
            let what = format!("'{name}' takes {wanted} in its brackets, and not {}", args.len());
            return Err(Mistake { at: self.name(tree.id, name), ..self.mistake(tree.id, what) });
        }
        let parts = target.into_iter().chain(args).map(|tree| self.node(tree));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        self.checked(tree, function, parts, args)
    }

    /// Arguments that are written out are checked and converted at once.
    fn checked(
        &self,
        tree: &IdedExpr,
        function: Function,
        mut parts: Vec<Node>,
        args: &[IdedExpr],
    ) -> Result<Part, Mistake> {
        let written = match parts.last().map(|node| &node.part) {
            Some(Part::Constant(Known::Text(text))) => Some(text.to_string()),
            _ => None,
        };
        let place = args.last().map_or(tree.id, |last| last.id);
        match (function, written) {
            (Function::Matches, Some(pattern)) => {
                let regex = Regex::new(&pattern)
                    .map_err(|error| self.mistake(place, format!("{error}")))?;
                parts.truncate(1);
                let Some(text) = parts.pop() else { return Ok(Part::List(Vec::new())) };
                Ok(Part::Matches(Box::new(text), regex))
            }
            (Function::Matches, None) => Err(self.mistake(
                place,
                "the regular expression has to be written out, so that it is made once",
            )),
            (Function::Timestamp | Function::Duration, Some(text)) => {
                let known = match function {
                    Function::Timestamp => functions::time(&text),
                    _ => functions::duration(&text),
                };
                known.map(Part::Constant).map_err(|what| self.mistake(place, what))
            }
            (function, _) => Ok(Part::Call(function, parts)),
        }
    }

    fn read(&self, tree: &IdedExpr) -> Result<Read, Mistake> {
        let (root, keys) = self.keys(tree)?;
        let read = self.root(tree.id, &root, keys);
        let start = self.start(tree);
        read.map_err(|mistake| Mistake { at: start..start + root.len(), ..mistake })
    }

    /// The name that a path begins with, and its keys: `json.a["b"][0]`.
    fn keys(&self, tree: &IdedExpr) -> Result<(String, Vec<String>), Mistake> {
        match &tree.expr {
            Expr::Ident(name) => Ok((name.clone(), Vec::new())),
            Expr::Select(SelectExpr { operand, field, test: false }) => {
                let (root, mut keys) = self.keys(operand)?;
                keys.push(field.clone());
                Ok((root, keys))
            }
            Expr::Call(CallExpr { func_name, args, .. }) if func_name == operators::INDEX => {
                let [of, key] = &args[..] else {
                    return Err(self.mistake(tree.id, "it has too few or too many parts"));
                };
                let (root, mut keys) = self.keys(of)?;
                match &key.expr {
                    Expr::Literal(LiteralValue::String(text)) => keys.push(text.inner().to_owned()),
                    Expr::Literal(LiteralValue::Int(number)) => {
                        keys.push(number.inner().to_string());
                    }
                    _ => {
                        let what = "a key has to be written out: a text, or the number of a place";
                        return Err(self.mistake(key.id, what));
                    }
                }
                Ok((root, keys))
            }
            _ => Err(self.mistake(tree.id, "only fields of the message have parts")),
        }
    }

    fn root(&self, id: u64, root: &str, keys: Vec<String>) -> Result<Read, Mistake> {
        let plain = |read| match keys.first() {
            None => Ok(read),
            Some(key) => Err(self.mistake(id, format!("'{root}' has no part '{key}'"))),
        };
        match root {
            "data" => plain(Read::Data),
            "time" => plain(Read::Time),
            "now" => plain(Read::Now),
            "json" if keys.is_empty() => Ok(Read::WholeJson),
            "json" => {
                let written = format!("json.{}", keys.join("."));
                let path = Path::of(keys);
                Ok(Read::Json { path: RefCell::new(path), written })
            }
            "value" => Ok(Read::Value { keys }),
            "attributes" => {
                let mut keys = keys.into_iter();
                let Some(name) = keys.next() else {
                    return Err(self.mistake(id, "name an attribute: attributes.NAME"));
                };
                Ok(Read::Attribute { name, keys: keys.collect() })
            }
            _ => {
                let hint = match did_you_mean(root, &ROOTS) {
                    hint if hint.is_empty() => format!(
                        ": there are {} (json.{root} is a field of the message's JSON)",
                        ROOTS.join(", ")
                    ),
                    hint => hint,
                };
                Err(self.mistake(id, format!("there is no '{root}'{hint}")))
            }
        }
    }
}

fn constant(literal: &LiteralValue) -> Known<'static> {
    match literal {
        LiteralValue::Boolean(truth) => Known::Bool(*truth.inner()),
        LiteralValue::Bytes(bytes) => Known::Bytes(bytes.inner().to_vec().into()),
        LiteralValue::Double(number) => Known::Double(*number.inner()),
        LiteralValue::Int(number) => Known::Int(*number.inner()),
        LiteralValue::Null => Known::Null,
        LiteralValue::String(text) => Known::Text(text.inner().to_owned().into()),
        LiteralValue::UInt(number) => Known::Uint(*number.inner()),
    }
}
