//! A recursive-descent JSON parser that says where it stopped.

use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::{JSON_DEPTH_MAX, JcsError, integer_fits};

pub(super) fn parse(text: &str) -> Result<Value, JcsError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at == text.len() { Ok(value) } else { Err(JcsError::Trailing { offset: reader.at }) }
}

struct Reader<'a> {
    text: &'a str,
    /// Byte offset of the next byte, always at a character boundary.
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// What is wrong with the next byte.
    fn wrong(&self) -> JcsError {
        let offset = self.at;
        if offset == self.text.len() { JcsError::Truncated { offset } } else { JcsError::Syntax { offset } }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.peek() == Some(byte);
        self.at += usize::from(eaten);
        eaten
    }

    fn expect(&mut self, byte: u8) -> Result<(), JcsError> {
        if self.eat(byte) { Ok(()) } else { Err(self.wrong()) }
    }

    fn value(&mut self, depth: usize) -> Result<Value, JcsError> {
        self.skip_space();
        match self.peek() {
            Some(b'{' | b'[') if depth == JSON_DEPTH_MAX => Err(JcsError::TooDeep { offset: self.at }),
            Some(b'{') => self.object(depth + 1).map(Value::Object),
            Some(b'[') => self.array(depth + 1).map(Value::Array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            _ => Err(self.wrong()),
        }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, JcsError> {
        word.bytes().try_for_each(|byte| self.expect(byte))?;
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Value>, JcsError> {
        let mut items = Vec::new();
        self.expect(b'[')?;
        self.skip_space();
        if self.eat(b']') {
            return Ok(items);
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.eat(b']') {
                return Ok(items);
            }
            self.expect(b',')?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Map<String, Value>, JcsError> {
        let mut members = Map::new();
        self.expect(b'{')?;
        self.skip_space();
        if self.eat(b'}') {
            return Ok(members);
        }
        loop {
            self.skip_space();
            let offset = self.at;
            let name = self.string()?;
            self.skip_space();
            self.expect(b':')?;
            let value = self.value(depth)?;
            match members.entry(name) {
                Entry::Occupied(_) => return Err(JcsError::DuplicateName { offset }),
                Entry::Vacant(entry) => entry.insert(value),
            };
            self.skip_space();
            if self.eat(b'}') {
                return Ok(members);
            }
            self.expect(b',')?;
        }
    }

    fn number(&mut self) -> Result<Value, JcsError> {
        let offset = self.at;
        let negative = self.eat(b'-');
        let digits = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        let number = &self.text[digits..self.at];
        if number.is_empty() {
            return Err(self.wrong());
        }
        if number.len() > 1 && number.starts_with('0') {
            return Err(JcsError::Syntax { offset: digits + 1 });
        }
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) || (negative && number == "0") {
            return Err(JcsError::NotInteger { offset });
        }
        let magnitude = number.parse().ok().filter(|&magnitude| integer_fits(magnitude));
        let magnitude = magnitude.ok_or(JcsError::IntegerTooLarge { offset })? as i64;
        Ok(Value::from(if negative { -magnitude } else { magnitude }))
    }

    fn string(&mut self) -> Result<String, JcsError> {
        self.expect(b'"')?;
        let mut string = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            string.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => string.push(self.escape()?),
                Some(_) => return Err(JcsError::ControlCharacter { offset: self.at }),
                None => return Err(self.wrong()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JcsError> {
        let offset = self.at;
        self.expect(b'\\')?;
        let character = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(offset),
            _ => return Err(self.wrong()),
        };
        self.at += 1;
        Ok(character)
    }

    /// The rest of `\uXXXX`, and of the second escape of a surrogate pair; `offset` is where the first began.
    fn unicode_escape(&mut self, offset: usize) -> Result<char, JcsError> {
        let lone = JcsError::LoneSurrogate { offset };
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !self.text[self.at..].starts_with("\\u") {
                    return Err(lone);
                }
                self.at += 1;
                match self.hex4()? {
                    second @ 0xdc00..=0xdfff => 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                    _ => return Err(lone),
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or(lone)
    }

    fn hex4(&mut self) -> Result<u32, JcsError> {
        self.expect(b'u')?;
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(|| self.wrong())?;
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }
}
