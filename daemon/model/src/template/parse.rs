//! From text to nodes.

use super::DEPTH;
use super::eval::Value;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    /// `{{pipe}}`
    Show(Pipe),
    /// `{{$name := pipe}}`
    Set(String, Pipe),
    /// `{{if}}`, with all its `else if`, and what is left over.
    If(Vec<(Block, Vec<Node>)>, Vec<Node>),
    With(Block, Vec<Node>, Vec<Node>),
    Range(Block, Vec<Node>, Vec<Node>),
}

/// What a block begins with: variables for its value, and the value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    pub names: Vec<String>,
    pub pipe: Pipe,
}

/// Commands, each given the result of the one before as its last argument.
pub(super) type Pipe = Vec<Vec<Term>>;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    Value(Value),
    Function(String),
    /// Fields of `.`, none for itself.
    Dot(Vec<String>),
    /// Fields of a variable; `$` is called the empty name.
    Variable(String, Vec<String>),
    Inner(Pipe, Vec<String>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Fields(Vec<String>),
    Variable(String),
    Value(Value),
    Sign(&'static str),
}

/// Reads a template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut parser = Parser {
        pieces: split(text)?,
        at: 0,
    };
    let (nodes, end) = parser.nodes(0)?;
    match end {
        None => Ok(nodes),
        Some((word, _)) => Err(format!("unexpected {{{{{word}}}}}")),
    }
}

enum Piece {
    Text(String),
    Action(Vec<Token>),
}

fn split(text: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut rest, mut trim) = (Vec::new(), text, false);
    loop {
        let (before, after) = match rest.split_once("{{") {
            Some((before, after)) => (before, Some(after)),
            None => (rest, None),
        };
        let mut plain = if trim { before.trim_start() } else { before };
        let Some(mut after) = after else {
            pieces.push(Piece::Text(plain.to_owned()));
            return Ok(pieces);
        };
        if let Some(inner) = after
            .strip_prefix('-')
            .filter(|inner| inner.starts_with(char::is_whitespace))
        {
            (plain, after) = (plain.trim_end(), inner);
        }
        pieces.push(Piece::Text(plain.to_owned()));
        if let Some(comment) = after.trim_start().strip_prefix("/*") {
            let (_, tail) = comment.split_once("*/").ok_or("unclosed comment")?;
            let (inner, tail) = tail
                .split_once("}}")
                .ok_or("comment ends before closing delimiter")?;
            trim = inner.trim() == "-";
            rest = tail;
            continue;
        }
        let (tokens, tail, trims) = action(after)?;
        pieces.push(Piece::Action(tokens));
        (rest, trim) = (tail, trims);
    }
}

/// Tokens up to the closing braces, what follows them, and whether white space there is trimmed.
fn action(text: &str) -> Result<(Vec<Token>, &str, bool), String> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    loop {
        let spaced = rest.trim_start();
        if let Some(tail) = spaced.strip_prefix("-}}").filter(|_| spaced.len() < rest.len()) {
            return Ok((tokens, tail, true));
        }
        if let Some(tail) = spaced.strip_prefix("}}") {
            return Ok((tokens, tail, false));
        }
        rest = token(spaced, &mut tokens)?;
    }
}

fn token<'a>(text: &'a str, tokens: &mut Vec<Token>) -> Result<&'a str, String> {
    let first = text.chars().next().ok_or("unclosed action")?;
    for sign in [":=", "=", "|", "(", ")", ","] {
        if let Some(rest) = text.strip_prefix(sign) {
            tokens.push(Token::Sign(sign));
            return Ok(rest);
        }
    }
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    let word = |text: &'a str| text.split_at(text.find(|c| !letter(c)).unwrap_or(text.len()));
    match first {
        '"' => {
            let (value, rest) = quoted(&text[1..])?;
            tokens.push(Token::Value(Value::Text(value)));
            Ok(rest)
        }
        '`' => {
            let (value, rest) = text[1..]
                .split_once('`')
                .ok_or("unterminated raw quoted string")?;
            tokens.push(Token::Value(Value::Text(value.to_owned())));
            Ok(rest)
        }
        '.' => {
            let (mut names, mut rest) = (Vec::new(), text);
            while let Some(tail) = rest.strip_prefix('.') {
                let (name, after) = word(tail);
                if name.is_empty() {
                    if !names.is_empty() {
                        return Err("unexpected <.> after a field".to_owned());
                    }
                    rest = tail;
                    break;
                }
                names.push(name.to_owned());
                rest = after;
            }
            tokens.push(Token::Fields(names));
            Ok(rest)
        }
        '$' => {
            let (name, rest) = word(&text[1..]);
            tokens.push(Token::Variable(name.to_owned()));
            Ok(rest)
        }
        '-' | '0'..='9' => {
            let end = text[1..].find(|c| !letter(c)).map_or(text.len(), |at| at + 1);
            let (digits, rest) = text.split_at(end);
            let number = digits
                .parse()
                .map_err(|_| format!("bad number syntax: {digits:?}"))?;
            tokens.push(Token::Value(Value::Number(number)));
            Ok(rest)
        }
        c if letter(c) => {
            let (name, rest) = word(text);
            tokens.push(match name {
                "true" | "false" => Token::Value(Value::Flag(name == "true")),
                name => Token::Word(name.to_owned()),
            });
            Ok(rest)
        }
        other => Err(format!("unexpected {other:?} in an action")),
    }
}

fn quoted(text: &str) -> Result<(String, &str), String> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\n' => break,
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some(c @ ('"' | '\\' | '\'')) => value.push(c),
                _ => return Err("an escape in a string that is not known".to_owned()),
            },
            c => value.push(c),
        }
    }
    Err("unterminated quoted string".to_owned())
}

struct Parser {
    pieces: Vec<Piece>,
    at: usize,
}

/// `else`, with what follows it, or `end`.
type End = Option<(String, Vec<Token>)>;

impl Parser {
    fn nodes(&mut self, depth: usize) -> Result<(Vec<Node>, End), String> {
        if depth > DEPTH {
            return Err("blocks are nested too deep".to_owned());
        }
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.get_mut(self.at) {
            self.at += 1;
            let tokens = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(std::mem::take(text)));
                    continue;
                }
                Piece::Action(tokens) => std::mem::take(tokens),
            };
            let (word, rest) = match tokens.split_first() {
                Some((Token::Word(word), rest)) => (word.as_str(), rest),
                Some(_) => ("", tokens.as_slice()),
                None => return Err("missing value for command".to_owned()),
            };
            nodes.push(match word {
                "end" | "else" => return Ok((nodes, Some((word.to_owned(), rest.to_vec())))),
                "if" => self.choice(rest, depth)?,
                "with" | "range" => self.block(word, rest, depth)?,
                "template" | "define" | "block" | "break" | "continue" => {
                    return Err(format!("{{{{{word}}}}} can't be used here"));
                }
                _ => {
                    let block = block(&tokens)?;
                    match block.names.as_slice() {
                        [] => Node::Show(block.pipe),
                        [name] => Node::Set(name.clone(), block.pipe),
                        _ => return Err("too many declarations in command".to_owned()),
                    }
                }
            });
        }
        Ok((nodes, None))
    }

    fn choice(&mut self, tokens: &[Token], depth: usize) -> Result<Node, String> {
        let (mut cases, mut tokens) = (Vec::new(), tokens.to_vec());
        loop {
            let condition = block(&tokens)?;
            let (body, end) = self.nodes(depth + 1)?;
            cases.push((condition, body));
            match end {
                Some((word, _)) if word == "end" => return Ok(Node::If(cases, Vec::new())),
                Some((_, rest)) => match rest.split_first() {
                    None => return Ok(Node::If(cases, self.last(depth)?)),
                    Some((Token::Word(word), more)) if word == "if" => tokens = more.to_vec(),
                    Some(_) => return Err("unexpected words after else".to_owned()),
                },
                None => return Err("unexpected EOF: an if without its end".to_owned()),
            }
        }
    }

    fn block(&mut self, word: &str, tokens: &[Token], depth: usize) -> Result<Node, String> {
        let head = block(tokens)?;
        let (body, end) = self.nodes(depth + 1)?;
        let otherwise = match end {
            Some((word, _)) if word == "end" => Vec::new(),
            Some((_, rest)) if rest.is_empty() => self.last(depth)?,
            Some(_) => return Err("unexpected words after else".to_owned()),
            None => return Err(format!("unexpected EOF: a {word} without its end")),
        };
        Ok(match word {
            "with" => Node::With(head, body, otherwise),
            _ => Node::Range(head, body, otherwise),
        })
    }

    /// What follows an `else`, up to the end.
    fn last(&mut self, depth: usize) -> Result<Vec<Node>, String> {
        match self.nodes(depth + 1)? {
            (nodes, Some((word, _))) if word == "end" => Ok(nodes),
            _ => Err("an else without its end".to_owned()),
        }
    }
}

fn block(tokens: &[Token]) -> Result<Block, String> {
    use Token::{Sign, Variable};
    let (names, rest) = match tokens {
        [Variable(name), Sign(":=" | "="), rest @ ..] => (vec![name.clone()], rest),
        [
            Variable(key),
            Sign(","),
            Variable(value),
            Sign(":=" | "="),
            rest @ ..,
        ] => (vec![key.clone(), value.clone()], rest),
        rest => (Vec::new(), rest),
    };
    let mut at = 0;
    let pipe = pipe(rest, &mut at, 0)?;
    match rest.get(at) {
        None => Ok(Block { names, pipe }),
        Some(_) => Err("unexpected \")\" or sign in a command".to_owned()),
    }
}

fn pipe(tokens: &[Token], at: &mut usize, depth: usize) -> Result<Pipe, String> {
    if depth > DEPTH {
        return Err("parentheses are nested too deep".to_owned());
    }
    let mut commands = vec![Vec::new()];
    while let Some(token) = tokens.get(*at) {
        let fields = |at: &mut usize| match tokens.get(*at) {
            Some(Token::Fields(names)) => {
                *at += 1;
                names.clone()
            }
            _ => Vec::new(),
        };
        *at += 1;
        let term = match token {
            Token::Sign("|") => {
                commands.push(Vec::new());
                continue;
            }
            Token::Sign("(") => {
                let inner = pipe(tokens, at, depth + 1)?;
                if tokens.get(*at) != Some(&Token::Sign(")")) {
                    return Err("unclosed left paren".to_owned());
                }
                *at += 1;
                Term::Inner(inner, Vec::new())
            }
            Token::Sign(_) => {
                *at -= 1;
                break;
            }
            Token::Value(value) => Term::Value(value.clone()),
            Token::Word(name) => Term::Function(name.clone()),
            Token::Fields(names) => Term::Dot(names.clone()),
            Token::Variable(name) => Term::Variable(name.clone(), fields(at)),
        };
        if let Some(command) = commands.last_mut() {
            command.push(term);
        }
    }
    if commands.iter().any(Vec::is_empty) {
        return Err("missing value for command".to_owned());
    }
    Ok(commands)
}
