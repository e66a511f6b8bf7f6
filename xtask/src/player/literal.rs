//! A wasm module as the inside of a JavaScript string literal, one character per byte.
//!
//! Module scripts are always decoded as UTF-8, and after compression this costs a sixth of what base64 would. Each byte is
//! raised by the same number: then fewer of those that are frequent need an escape or two bytes.

/// The raises that are tried.
pub const RAISES: std::ops::Range<u8> = 0..64;

/// The inside of a single-quoted string literal whose characters are the bytes, each raised.
pub fn literal(bytes: &[u8], raise: u8) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for &byte in bytes {
        match char::from_u32(u32::from(byte) + u32::from(raise)).unwrap_or_default() {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            char @ ('\'' | '\\') => text.extend(['\\', char]),
            char => text.push(char),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a literal as JavaScript does.
    fn unescape(literal: &str, raise: u8) -> Vec<u8> {
        let mut chars = literal.chars();
        let mut bytes = Vec::new();
        while let Some(char) = chars.next() {
            let char = match char {
                '\\' => match chars.next().expect("something is escaped") {
                    'n' => '\n',
                    'r' => '\r',
                    other => other,
                },
                '\n' | '\r' | '\'' => panic!("a bare {char:?} ends the literal"),
                other => other,
            };
            bytes.push(u8::try_from(u32::from(char) - u32::from(raise)).expect("one byte"));
        }
        bytes
    }

    #[test]
    fn every_byte_survives_the_literal() {
        let bytes: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        for raise in RAISES {
            assert_eq!(unescape(&literal(&bytes, raise), raise), bytes, "{raise}");
        }
    }
}
