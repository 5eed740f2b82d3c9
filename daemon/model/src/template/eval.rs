//! From nodes to text.

use super::parse::{Block, Node, Pipe, Term};
use super::{LONGEST, STEPS};
use std::collections::BTreeMap;

/// What templates reckon with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Flag(bool),
    /// Values by name. `true`: a record, in which only its own names make sense; `false`: anything, such as labels.
    Map(BTreeMap<String, Value>, bool),
}

/// Functions beside the language's own, by name; `None`: not known.
pub type Functions<'a> = &'a dyn Fn(&str, &[Value]) -> Option<Result<Value, String>>;

impl Value {
    fn is_true(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Number(number) => *number != 0,
            Self::Flag(flag) => *flag,
            Self::Map(map, strict) => *strict || !map.is_empty(),
        }
    }

    fn field(&self, name: &str) -> Result<&Self, String> {
        match self {
            Self::Map(map, strict) => map.get(name).ok_or_else(|| match strict {
                true => format!("can't evaluate field {name}"),
                false => format!("map has no entry for key {name:?}"),
            }),
            _ => Err(format!(
                "can't evaluate field {name} of something that has no fields"
            )),
        }
    }

    fn fields(&self, names: &[String]) -> Result<Self, String> {
        let mut value = self;
        for name in names {
            value = value.field(name)?;
        }
        Ok(value.clone())
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => out.write_str(text),
            Self::Number(number) => write!(out, "{number}"),
            Self::Flag(flag) => write!(out, "{flag}"),
            Self::Map(map, _) => {
                let pairs: Vec<String> = map
                    .iter()
                    .map(|(name, value)| format!("{name}:{value}"))
                    .collect();
                write!(out, "map[{}]", pairs.join(" "))
            }
        }
    }
}

pub(super) fn run(nodes: &[Node], data: &Value, functions: Functions<'_>) -> Result<String, String> {
    let mut run = Run {
        root: data,
        functions,
        variables: Vec::new(),
        out: String::new(),
        steps: 0,
    };
    run.nodes(nodes, data)?;
    Ok(run.out)
}

struct Run<'a> {
    root: &'a Value,
    functions: Functions<'a>,
    variables: Vec<(String, Value)>,
    out: String,
    steps: usize,
}

impl Run<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<(), String> {
        let known = self.variables.len();
        for node in nodes {
            self.steps += 1;
            if self.steps > STEPS || self.out.len() > LONGEST {
                return Err("takes too long, or becomes too long".to_owned());
            }
            self.node(node, dot)?;
        }
        self.variables.truncate(known);
        Ok(())
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<(), String> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Show(pipe) => {
                let shown = self.pipe(pipe, dot)?.to_string();
                self.out.push_str(&shown);
            }
            Node::Set(name, pipe) => {
                let value = self.pipe(pipe, dot)?;
                self.set(name, value);
            }
            Node::If(cases, otherwise) => {
                for (head, body) in cases {
                    if self.head(head, dot)?.is_true() {
                        return self.nodes(body, dot);
                    }
                }
                return self.nodes(otherwise, dot);
            }
            Node::With(head, body, otherwise) => {
                let value = self.head(head, dot)?;
                return match value.is_true() {
                    true => self.nodes(body, &value),
                    false => self.nodes(otherwise, dot),
                };
            }
            Node::Range(head, body, otherwise) => return self.range(head, body, otherwise, dot),
        }
        Ok(())
    }

    fn range(&mut self, head: &Block, body: &[Node], otherwise: &[Node], dot: &Value) -> Result<(), String> {
        let Value::Map(map, false) = self.pipe(&head.pipe, dot)? else {
            return Err("range can't iterate over that".to_owned());
        };
        if map.is_empty() {
            return self.nodes(otherwise, dot);
        }
        let known = self.variables.len();
        for (key, value) in map {
            match head.names.as_slice() {
                [] => {}
                [only] => self.variables.push((only.clone(), value.clone())),
                [first, second, ..] => self
                    .variables
                    .extend([(first.clone(), Value::Text(key)), (second.clone(), value.clone())]),
            }
            self.nodes(body, &value)?;
            self.variables.truncate(known);
        }
        Ok(())
    }

    fn head(&mut self, head: &Block, dot: &Value) -> Result<Value, String> {
        let value = self.pipe(&head.pipe, dot)?;
        if let Some(name) = head.names.first() {
            self.variables.push((name.clone(), value.clone()));
        }
        Ok(value)
    }

    /// A variable that is there gets another value; else it is new.
    fn set(&mut self, name: &str, value: Value) {
        match self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.variables.push((name.to_owned(), value)),
        }
    }

    fn pipe(&self, pipe: &Pipe, dot: &Value) -> Result<Value, String> {
        let mut result = None;
        for command in pipe {
            result = Some(self.command(command, dot, result)?);
        }
        result.ok_or_else(|| "missing value for command".to_owned())
    }

    fn command(&self, command: &[Term], dot: &Value, last: Option<Value>) -> Result<Value, String> {
        let Some((first, rest)) = command.split_first() else {
            return Err("missing value for command".to_owned());
        };
        let Term::Function(name) = first else {
            if !rest.is_empty() || last.is_some() {
                return Err("can't give argument to non-function".to_owned());
            }
            return self.term(first, dot);
        };
        let args = rest.iter().map(|term| self.term(term, dot));
        let mut args = args.collect::<Result<Vec<Value>, String>>()?;
        args.extend(last);
        call(name, &args)
            .or_else(|| (self.functions)(name, &args))
            .unwrap_or_else(|| Err(format!("function {name:?} not defined")))
            .map_err(|error| format!("error calling {name}: {error}"))
    }

    fn term(&self, term: &Term, dot: &Value) -> Result<Value, String> {
        match term {
            Term::Value(value) => Ok(value.clone()),
            Term::Function(_) => self.command(std::slice::from_ref(term), dot, None),
            Term::Dot(names) => dot.fields(names),
            Term::Variable(name, names) if name.is_empty() => self.root.fields(names),
            Term::Variable(name, names) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                found
                    .ok_or_else(|| format!("undefined variable \"${name}\""))?
                    .1
                    .fields(names)
            }
            Term::Inner(pipe, names) => self.pipe(pipe, dot)?.fields(names),
        }
    }
}

/// The language's own functions.
fn call(name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    let text = |all: &[Value]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    Some(match (name, args) {
        ("and", [first, rest @ ..]) => Ok(rest.iter().fold(first.clone(), |so_far, next| {
            if so_far.is_true() { next.clone() } else { so_far }
        })),
        ("or", [first, rest @ ..]) => Ok(rest.iter().fold(first.clone(), |so_far, next| {
            if so_far.is_true() { so_far } else { next.clone() }
        })),
        ("not", [value]) => Ok(Value::Flag(!value.is_true())),
        ("len", [value]) => match value {
            Value::Text(text) => Ok(Value::Number(i64::try_from(text.len()).unwrap_or(i64::MAX))),
            Value::Map(map, false) => Ok(Value::Number(i64::try_from(map.len()).unwrap_or(i64::MAX))),
            _ => Err("it has no length".to_owned()),
        },
        ("index", [Value::Map(map, false), Value::Text(key)]) => {
            Ok(map.get(key).cloned().unwrap_or(Value::Text(String::new())))
        }
        ("index", _) => Err("a map and a key are needed".to_owned()),
        ("print", args) => Ok(Value::Text(print(args))),
        ("println", args) => Ok(Value::Text(text(args).join(" ") + "\n")),
        ("printf", [Value::Text(format), args @ ..]) => printf(format, args).map(Value::Text),
        ("join", [separator, parts @ ..]) => Ok(Value::Text(text(parts).join(&separator.to_string()))),
        ("eq", [first, rest @ ..]) if !rest.is_empty() => Ok(Value::Flag(rest.contains(first))),
        ("ne", [a, b]) => Ok(Value::Flag(a != b)),
        ("lt" | "le" | "gt" | "ge", [a, b]) => compare(a, b).map(|order| {
            Value::Flag(match name {
                "lt" => order.is_lt(),
                "le" => order.is_le(),
                "gt" => order.is_gt(),
                _ => order.is_ge(),
            })
        }),
        ("and" | "or" | "not" | "len" | "printf" | "join" | "eq" | "ne" | "lt" | "le" | "gt" | "ge", _) => {
            Err("wrong number or kind of arguments".to_owned())
        }
        _ => return None,
    })
}

fn compare(a: &Value, b: &Value) -> Result<std::cmp::Ordering, String> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => Ok(a.cmp(b)),
        _ => Err("incompatible types for comparison".to_owned()),
    }
}

/// Go puts a space between two values of which neither is text.
fn print(args: &[Value]) -> String {
    let mut out = String::new();
    for (number, value) in args.iter().enumerate() {
        let text = |value: &Value| matches!(value, Value::Text(_));
        if number > 0 && !text(value) && !text(&args[number - 1]) {
            out.push(' ');
        }
        out.push_str(&value.to_string());
    }
    out
}

/// `%s`, `%v`, `%d`, `%q`, `%t`, `%x`, `%%`, with a width, `-` and `0`.
fn printf(format: &str, args: &[Value]) -> Result<String, String> {
    /// Widest column.
    const WIDEST: usize = 1024;
    let (mut out, mut rest, mut args) = (String::new(), format, args.iter());
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let end = after
            .find(|c: char| !(c.is_ascii_digit() || c == '-'))
            .ok_or("format ends with %")?;
        let (flags, tail) = after.split_at(end);
        let verb = tail.chars().next().unwrap_or_default();
        rest = &tail[verb.len_utf8()..];
        if verb == '%' {
            out.push('%');
            continue;
        }
        let value = args.next().ok_or("too few arguments for the format")?;
        let shown = match (verb, value) {
            ('s' | 'v', value) => value.to_string(),
            ('d', Value::Number(number)) => number.to_string(),
            ('x', Value::Number(number)) => format!("{number:x}"),
            ('q', Value::Text(text)) => format!("{text:?}"),
            ('t', Value::Flag(flag)) => flag.to_string(),
            _ => return Err(format!("%{verb} can't show {value}")),
        };
        let (left, digits) = match flags.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, flags),
        };
        let width = match digits {
            "" => 0,
            digits => digits
                .parse()
                .ok()
                .filter(|width| *width <= WIDEST)
                .ok_or("too wide")?,
        };
        let zeros = digits.starts_with('0') && matches!(value, Value::Number(_));
        out.push_str(&match (left, zeros) {
            (true, _) => format!("{shown:<width$}"),
            (false, true) => format!("{shown:0>width$}"),
            (false, false) => format!("{shown:>width$}"),
        });
    }
    out.push_str(rest);
    match args.next() {
        None => Ok(out),
        Some(_) => Err("too many arguments for the format".to_owned()),
    }
}
