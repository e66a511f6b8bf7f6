//! Makes wasm globals of the player's fields.
//!
//! The core is one static, whose fields are loaded and stored at constant addresses; a global is got and set with a third of
//! the bytes. Rust has no way to say so, so it is done to the text of the linked module, in Binaryen's folded form. What is
//! used by a pointer stays in memory, and has to lie in front of the fields that become globals: a constant that could be the
//! address of one of these, and is not where something is loaded or stored, is an error.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

use anyhow::{Context, bail, ensure};

/// Part of a module's text: an atom, or a list in parentheses.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Atom(String),
    List(Vec<Node>),
}

/// Exported as a global: where the static begins.
const STATIC: &str = "PLAYER";

/// A field as it is loaded and stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    kind: &'static str,
    bytes: u64,
}

impl Field {
    /// The instruction that gives its value of these bits, of which there may be more.
    fn constant(&self, bits: u64) -> String {
        let bits = bits & (u64::MAX >> (64 - self.bytes * 8));
        let value = match (self.kind, f64::from_bits(bits)) {
            ("f64", value) if value.is_nan() => "nan".to_owned(),
            ("f64", f64::INFINITY) => "inf".to_owned(),
            ("f64", f64::NEG_INFINITY) => "-inf".to_owned(),
            ("f64", value) => value.to_string(),
            _ => bits.to_string(),
        };
        format!("({}.const {value})", self.kind)
    }
}

/// The module's text with globals in place of what lies behind the first `in_memory` of the static's `size` bytes.
pub fn promote(text: &str, in_memory: u64, size: u64) -> anyhow::Result<String> {
    let mut module = parse(text)?;
    let Node::List(parts) = &mut module else { bail!("no module") };
    let start = address(parts, STATIC)?;
    let fields_range = start + in_memory..start + size;
    let mut fields = BTreeMap::new();
    for part in parts.iter().filter(|part| part.head() == "func") {
        find(part, &fields_range, &mut fields)?;
    }
    for (one, other) in fields.iter().zip(fields.iter().skip(1)) {
        ensure!(one.0 + one.1.bytes <= *other.0, "fields overlap: {one:?}, {other:?}");
    }
    let image = image(parts, start, size)?;
    for part in parts.iter_mut().filter(|part| part.head() == "func") {
        replace(part, &fields_range, &fields)?;
    }
    let is_dropped = |part: &Node| match part.head() {
        // Nobody looks into the memory.
        "export" => part.string(1).is_some_and(|name| name.len() > 1),
        "data" => part.data_address().is_some_and(|at| (start..start + size).contains(&at)),
        _ => false,
    };
    parts.retain(|part| !is_dropped(part));
    for (&at, field) in &fields {
        let bytes = &image[(at - start) as usize..][..field.bytes as usize];
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        let first = field.constant(u64::from_le_bytes(padded));
        parts.push(parse(&format!("(global {} (mut {}) {first})", name(at), field.kind))?);
    }
    let kept = image[..in_memory as usize].iter().all(|&byte| byte == 0);
    ensure!(kept, "what stays in memory does not begin as zero");
    let mut out = String::new();
    print(&module, &mut out);
    Ok(out)
}

fn name(at: u64) -> String {
    format!("$field{at}")
}

impl Node {
    /// The first atom of a list.
    fn head(&self) -> &str {
        match self {
            Node::List(nodes) => match nodes.first() {
                Some(Node::Atom(atom)) => atom,
                _ => "",
            },
            Node::Atom(_) => "",
        }
    }

    fn string(&self, index: usize) -> Option<&str> {
        let Node::List(nodes) = self else { return None };
        let Node::Atom(atom) = nodes.get(index)? else { return None };
        atom.strip_prefix('"')?.strip_suffix('"')
    }

    /// The value of `(i32.const value)`.
    fn constant(&self) -> Option<u64> {
        let Node::List(nodes) = self else { return None };
        match nodes.as_slice() {
            [Node::Atom(kind), Node::Atom(value)] if kind == "i32.const" || kind == "i64.const" => {
                value.parse::<i64>().ok().map(|value| value as u64)
            }
            _ => None,
        }
    }

    fn data_address(&self) -> Option<u64> {
        let Node::List(nodes) = self else { return None };
        nodes.iter().find_map(Node::constant)
    }
}

/// A load or a store at a constant address.
struct Access<'a> {
    at: u64,
    field: Field,
    is_signed: bool,
    /// What is stored.
    value: Option<&'a Node>,
}

fn access(node: &Node) -> Option<Access<'_>> {
    let head = node.head();
    if let ("memory.fill", Node::List(nodes)) = (head, node)
        && let [_, at, value, bytes] = nodes.as_slice()
        && value.constant() == Some(0)
    {
        let field = Field { kind: "i64", bytes: bytes.constant()? };
        return Some(Access { at: at.constant()?, field, is_signed: false, value: Some(value) });
    }
    let (kind, what) = head.split_once('.')?;
    let kind = ["i32", "i64", "f64"].into_iter().find(|known| *known == kind)?;
    let is_store = what.starts_with("store");
    let rest = what.strip_prefix("store").or_else(|| what.strip_prefix("load"))?;
    let bytes = match rest.trim_end_matches(['_', 'u', 's']) {
        "" if kind == "i32" => 4,
        "" => 8,
        bits => bits.parse::<u64>().ok()? / 8,
    };
    let Node::List(nodes) = node else { return None };
    let mut offset = 0;
    let mut operands = Vec::new();
    for node in &nodes[1..] {
        match node {
            Node::Atom(atom) => {
                if let Some(value) = atom.strip_prefix("offset=") {
                    offset = value.parse().ok()?;
                }
            }
            list => operands.push(list),
        }
    }
    let at = operands.first()?.constant()? + offset;
    let value = if is_store { Some(*operands.get(1)?) } else { None };
    Some(Access { at, field: Field { kind, bytes }, is_signed: rest.ends_with("_s"), value })
}

/// Collects the fields, as they are loaded, and stored one at a time.
fn find(node: &Node, range: &Range<u64>, fields: &mut BTreeMap<u64, Field>) -> anyhow::Result<()> {
    let Node::List(nodes) = node else { return Ok(()) };
    ensure!(node.head() != "memory.copy", "memory is copied, and nobody knows what of it");
    let crosses = |access: &Access| access.at < range.start && access.at + access.field.bytes > range.start;
    ensure!(
        !access(node).is_some_and(|access| crosses(&access)),
        "an access goes over the first field's beginning"
    );
    if let Some(Access { at, field, value, .. }) = access(node).filter(|access| range.contains(&access.at)) {
        if value.is_none_or(|value| value.constant().is_none()) {
            let known = fields.entry(at).or_insert(field);
            ensure!(*known == field, "{at} is used as {known:?} and as {field:?}");
        }
        return value.map_or(Ok(()), |value| find(value, range, fields));
    }
    if let (Some(number), "i32.const") = (node.constant(), node.head()) {
        ensure!(!range.contains(&number), "{number}, the address of a field, is used");
    }
    // What is at a place that only the program knows: one of some alike, which at constant places would be globals.
    let is_field = |atom: &str| {
        atom.strip_prefix("offset=")
            .and_then(|offset| offset.parse().ok())
            .is_some_and(|at| range.contains(&at))
    };
    ensure!(
        !nodes.iter().any(|node| matches!(node, Node::Atom(atom) if is_field(atom))),
        "a field is used by an index: {node:?}"
    );
    nodes.iter().try_for_each(|node| find(node, range, fields))
}

/// Puts globals in the place of loads and stores.
fn replace(node: &mut Node, range: &Range<u64>, fields: &BTreeMap<u64, Field>) -> anyhow::Result<()> {
    if let Some(Access { at, field, is_signed, value }) =
        access(node).filter(|access| range.contains(&access.at))
    {
        let bits = field.bytes * 8;
        let text = match value {
            None => {
                let get = format!("(global.get {})", name(at));
                if is_signed { format!("({}.extend{bits}_s {get})", field.kind) } else { get }
            }
            Some(value) if value.constant().is_none() => {
                let mut value = value.clone();
                replace(&mut value, range, fields)?;
                let mut text = String::new();
                print(&value, &mut text);
                if field.kind == "i32" && bits < 32 {
                    text = format!("(i32.and {text} (i32.const {}))", (1 << bits) - 1);
                }
                format!("(global.set {} {text})", name(at))
            }
            // Neighbours may be stored at once, and what nobody loads need not be stored.
            Some(value) => {
                let value = value.constant().unwrap_or(0);
                let mut text = String::from("(block");
                for (next, part) in fields.range(at..at + field.bytes) {
                    ensure!(next + part.bytes <= at + field.bytes, "half of {next} is stored");
                    let bits = value.checked_shr((next - at) as u32 * 8).unwrap_or(0);
                    write!(text, " (global.set {} {})", name(*next), part.constant(bits))?;
                }
                text + ")"
            }
        };
        *node = parse(&text)?;
        return Ok(());
    }
    let Node::List(nodes) = node else { return Ok(()) };
    nodes.iter_mut().try_for_each(|node| replace(node, range, fields))
}

/// The value of an exported global.
fn address(parts: &[Node], exported: &str) -> anyhow::Result<u64> {
    let export = parts.iter().find(|part| part.head() == "export" && part.string(1) == Some(exported));
    let name = match export {
        Some(Node::List(export)) => match export.get(2) {
            Some(Node::List(global)) => global.get(1).cloned(),
            _ => None,
        },
        _ => None,
    };
    let is_it = |part: &&Node| matches!(part, Node::List(global) if part.head() == "global" && global.get(1) == name.as_ref());
    let global = parts.iter().find(is_it).filter(|_| name.is_some());
    global.and_then(Node::data_address).with_context(|| format!("{exported} is not exported"))
}

/// What the static is at first.
fn image(parts: &[Node], start: u64, size: u64) -> anyhow::Result<Vec<u8>> {
    let mut image = vec![0; size as usize];
    for part in parts.iter().filter(|part| part.head() == "data") {
        let at = part.data_address().context("data without an address")?;
        let Node::List(nodes) = part else { continue };
        let text = part.string(nodes.len() - 1).context("data without bytes")?;
        let bytes = unescape(text)?;
        for (index, byte) in bytes.into_iter().enumerate() {
            ensure!(
                !(start..start + size).contains(&at) || index as u64 + at < start + size,
                "data goes on behind the static"
            );
            if let Some(slot) = (at + index as u64).checked_sub(start).and_then(|i| image.get_mut(i as usize))
            {
                *slot = byte;
            }
        }
    }
    Ok(image)
}

fn unescape(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            bytes.push(char as u8);
            continue;
        }
        let first = chars.next().context("an escape without a character")?;
        bytes.push(match first {
            't' => b'\t',
            'n' => b'\n',
            'r' => b'\r',
            '"' | '\'' | '\\' => first as u8,
            digit => u8::from_str_radix(&format!("{digit}{}", chars.next().unwrap_or_default()), 16)?,
        });
    }
    Ok(bytes)
}

fn parse(text: &str) -> anyhow::Result<Node> {
    let mut open: Vec<Vec<Node>> = vec![Vec::new()];
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { break };
        if let Some(after) = rest.strip_prefix(";;") {
            rest = after.split_once('\n').map_or("", |(_, rest)| rest);
            continue;
        }
        let end = match first {
            '(' => {
                open.push(Vec::new());
                1
            }
            ')' => {
                let list = open.pop().context("a parenthesis too many")?;
                open.last_mut().context("a parenthesis too many")?.push(Node::List(list));
                1
            }
            '"' => {
                let mut is_escaped = false;
                let end = rest[1..].find(|char| {
                    let is_end = char == '"' && !is_escaped;
                    is_escaped = char == '\\' && !is_escaped;
                    is_end
                });
                end.context("a string without an end")? + 2
            }
            _ => rest.find(|char: char| char.is_whitespace() || "()".contains(char)).unwrap_or(rest.len()),
        };
        if !matches!(first, '(' | ')') {
            open.last_mut().context("text behind the module")?.push(Node::Atom(rest[..end].to_owned()));
        }
        rest = &rest[end..];
    }
    let [mut whole] = <[Vec<Node>; 1]>::try_from(open).ok().context("a parenthesis too few")?;
    whole.pop().filter(|_| whole.is_empty()).context("not one list")
}

fn print(node: &Node, out: &mut String) {
    match node {
        Node::Atom(atom) => out.push_str(atom),
        Node::List(nodes) => {
            out.push('(');
            for (index, node) in nodes.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                print(node, out);
            }
            out.push(')');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A static of 24 bytes at 1024: one byte that is used by a pointer, padding, and from 8 on fields.
    fn promoted(instructions: &str) -> anyhow::Result<String> {
        let text = format!(
            r#"(module
                (memory $0 1)
                (global $g i32 (i32.const 1024))
                (data $d (i32.const 1032) "\01\00\02\00\00\00\00\00\00\00\00\00\00\00\f8\7f")
                (export "PLAYER" (global $g))
                (export "memory" (memory $0))
                (export "a" (func $f))
                (func $f (result i32) {instructions}))"#
        );
        promote(&text, 8, 24)
    }

    #[test]
    fn fields_are_globals_with_their_first_values() {
        let text =
            promoted("(drop (f64.load offset=16 (i32.const 1024))) (i32.load8_u (i32.const 1034))").unwrap();
        assert!(text.contains("(drop (global.get $field1040)) (global.get $field1034)"), "{text}");
        assert!(text.contains("(global $field1034 (mut i32) (i32.const 2))"), "{text}");
        assert!(text.contains("(global $field1040 (mut f64) (f64.const nan))"), "{text}");
        assert!(
            text.contains("(export \"a\"") && !text.contains("\"memory\"") && !text.contains("(data"),
            "{text}"
        );
    }

    #[test]
    fn what_is_stored_keeps_its_width() {
        let load = "(i32.load8_u (i32.const 1032))";
        let text = promoted(&format!("(i32.store8 (i32.const 1032) (call $f)) {load}")).unwrap();
        assert!(text.contains("(global.set $field1032 (i32.and (call $f) (i32.const 255)))"), "{text}");
    }

    #[test]
    fn neighbours_that_are_stored_at_once_are_set_one_by_one() {
        let load = "(drop (i32.load8_u (i32.const 1032))) (drop (i32.load8_u (i32.const 1033))) \
                    (drop (f64.load (i32.const 1040)))";
        let text = promoted(&format!("(i32.store16 (i32.const 1032) (i32.const 258)) {load}")).unwrap();
        let both = "(block (global.set $field1032 (i32.const 2)) (global.set $field1033 (i32.const 1)))";
        assert!(text.contains(both), "{text}");
        let text = promoted(&format!("(i64.store (i32.const 1040) (i64.const 4607182418800017408)) {load}"))
            .unwrap();
        assert!(text.contains("(global.set $field1040 (f64.const 1))"), "{text}");
        let fill = "(memory.fill (i32.const 1032) (i32.const 0) (i32.const 16))";
        let text = promoted(&format!("{fill} {load}")).unwrap();
        assert!(text.contains("(global.set $field1040 (f64.const 0))") && !text.contains("fill"), "{text}");
    }

    #[test]
    fn what_is_used_by_a_pointer_stays_in_memory_or_is_refused() {
        let text = promoted("(i32.load8_u (i32.add (call $f) (i32.const 1024)))").unwrap();
        assert!(text.contains("(i32.load8_u (i32.add (call $f) (i32.const 1024)))"), "{text}");
        let pointer = promoted("(i32.load8_u (i32.add (call $f) (i32.const 1032)))").unwrap_err();
        assert!(pointer.to_string().contains("1032, the address of a field, is used"), "{pointer}");
        let index = promoted("(i32.store8 offset=1032 (call $f) (i32.const 1))").unwrap_err();
        assert!(index.to_string().starts_with("a field is used by an index"), "{index}");
        let before = promoted("(i32.load8_u offset=1024 (call $f))").unwrap();
        assert!(before.contains("(i32.load8_u offset=1024 (call $f))"), "{before}");
        let mixed =
            promoted("(drop (i32.load (i32.const 1032))) (i32.load8_u (i32.const 1032))").unwrap_err();
        assert!(mixed.to_string().starts_with("1032 is used as"), "{mixed}");
        let overlap =
            promoted("(drop (i32.load (i32.const 1032))) (i32.load8_u (i32.const 1033))").unwrap_err();
        assert!(overlap.to_string().starts_with("fields overlap"), "{overlap}");
        for crossing in [
            "memory.fill (i32.const 1024) (i32.const 0) (i32.const 16)",
            "i64.store (i32.const 1028) (i64.const 0)",
        ] {
            let crossing = promoted(&format!("({crossing}) (i32.load (i32.const 1032))")).unwrap_err();
            assert!(crossing.to_string().contains("goes over the first field's beginning"), "{crossing}");
        }
        let copy = promoted("(memory.copy (call $f) (call $f) (i32.const 1))").unwrap_err();
        assert!(copy.to_string().starts_with("memory is copied"), "{copy}");
    }

    #[test]
    fn text_that_is_no_module_is_refused() {
        for text in ["", "(module", "(module))", "(module \"a)", "(module)"] {
            assert!(promote(text, 0, 8).is_err(), "{text}");
        }
    }
}
