//! Canonical text of a value, and the serializer that turns Rust values into values without losing anything.
//!
//! `serde_json::to_value` will not do: it writes NaN as null and lets the last of two equal names win.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};
use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::{JSON_BYTES_MAX, JSON_DEPTH_MAX, JcsError, integer_fits};

// ---- Value to text ----

pub(super) fn canonical(value: &Value) -> Result<Vec<u8>, JcsError> {
    let mut text = String::new();
    write_value(&mut text, value)?;
    if text.len() > JSON_BYTES_MAX {
        return Err(JcsError::TooLarge { bytes: text.len() });
    }
    Ok(text.into_bytes())
}

fn write_value(text: &mut String, value: &Value) -> Result<(), JcsError> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => text.push_str(&integer(number)?.to_string()),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                text.push_str(if position > 0 { "," } else { "" });
                write_value(text, item)?;
            }
            text.push(']');
        }
        Value::Object(members) => write_object(text, members)?,
    }
    Ok(())
}

fn write_object(text: &mut String, members: &Map<String, Value>) -> Result<(), JcsError> {
    let mut sorted: Vec<_> = members.iter().collect();
    // RFC 8785 §3.2.3. UTF-16 order differs from UTF-8 order where a surrogate pair meets U+E000 to U+FFFF.
    sorted.sort_unstable_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    text.push('{');
    for (position, (name, value)) in sorted.into_iter().enumerate() {
        text.push_str(if position > 0 { "," } else { "" });
        write_string(text, name);
        text.push(':');
        write_value(text, value)?;
    }
    text.push('}');
    Ok(())
}

/// RFC 8785 §3.2.2.2: the two-character escapes where there is one, `\u00xx` for other controls, all else as it is.
fn write_string(text: &mut String, string: &str) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            control if control < ' ' => text.push_str(&format!("\\u{:04x}", u32::from(control))),
            plain => text.push(plain),
        }
    }
    text.push('"');
}

fn integer(number: &serde_json::Number) -> Result<i64, JcsError> {
    let large = JcsError::IntegerTooLarge { offset: 0 };
    match (number.as_i64(), number.as_u64()) {
        (Some(value), _) if integer_fits(value.unsigned_abs()) => Ok(value),
        (None, None) => Err(JcsError::NotInteger { offset: 0 }),
        _ => Err(large),
    }
}

// ---- Rust value to value ----

/// [`JcsError`] in the shape that serde wants.
#[derive(Debug)]
pub(super) struct Refused(pub(super) JcsError);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(JcsError::Unserializable)
    }
}

const FLOAT: Refused = Refused(JcsError::NotInteger { offset: 0 });
const UNSERIALIZABLE: Refused = Refused(JcsError::Unserializable);

/// A serializer whose output is a [`Value`] inside `depth` arrays and objects.
#[derive(Clone, Copy)]
pub(super) struct Tree {
    pub(super) depth: usize,
}

impl Tree {
    fn deeper(self) -> Result<Self, Refused> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(Refused(JcsError::TooDeep { offset: 0 }));
        }
        Ok(Self { depth: self.depth + 1 })
    }

    fn items(self, variant: Option<&'static str>) -> Result<Items, Refused> {
        let tree = if variant.is_some() { self.deeper()?.deeper()? } else { self.deeper()? };
        Ok(Items { tree, items: Vec::new(), variant })
    }

    fn members(self, variant: Option<&'static str>) -> Result<Members, Refused> {
        let tree = if variant.is_some() { self.deeper()?.deeper()? } else { self.deeper()? };
        Ok(Members { tree, members: Map::new(), name: None, variant })
    }
}

/// `{"variant": value}`, serde's form of an enum variant with content.
fn tagged(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::Object(Map::from_iter([(variant.to_owned(), value)])),
        None => value,
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, value: $type) -> Result<Value, Refused> {
            let narrow = i64::try_from(value).ok().filter(|value| integer_fits(value.unsigned_abs()));
            narrow.map(Value::from).ok_or(Refused(JcsError::IntegerTooLarge { offset: 0 }))
        }
    )*};
}

impl Serializer for Tree {
    type Ok = Value;
    type Error = Refused;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeStructVariant = Members;

    integers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128);
    integers!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128);

    fn serialize_bool(self, value: bool) -> Result<Value, Refused> {
        Ok(Value::Bool(value))
    }

    fn serialize_f32(self, _: f32) -> Result<Value, Refused> {
        Err(FLOAT)
    }

    fn serialize_f64(self, _: f64) -> Result<Value, Refused> {
        Err(FLOAT)
    }

    fn serialize_char(self, value: char) -> Result<Value, Refused> {
        Ok(Value::String(value.into()))
    }

    fn serialize_str(self, value: &str) -> Result<Value, Refused> {
        Ok(Value::String(value.to_owned()))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Value, Refused> {
        Err(UNSERIALIZABLE)
    }

    fn serialize_none(self) -> Result<Value, Refused> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Refused> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Refused> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Refused> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, Refused> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Value, Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Refused> {
        let value = value.serialize(self.deeper()?)?;
        Ok(tagged(Some(variant), value))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, Refused> {
        self.items(None)
    }

    fn serialize_tuple(self, _: usize) -> Result<Items, Refused> {
        self.items(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items, Refused> {
        self.items(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items, Refused> {
        self.items(Some(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members, Refused> {
        self.members(None)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members, Refused> {
        self.members(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members, Refused> {
        self.members(Some(variant))
    }
}

/// An array in the making.
pub(super) struct Items {
    tree: Tree,
    items: Vec<Value>,
    variant: Option<&'static str>,
}

impl Items {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.items.push(value.serialize(self.tree)?);
        Ok(())
    }

    fn finish(self) -> Result<Value, Refused> {
        Ok(tagged(self.variant, Value::Array(self.items)))
    }
}

macro_rules! items {
    ($($trait:ident::$method:ident),*) => {$(
        impl ser::$trait for Items {
            type Ok = Value;
            type Error = Refused;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.push(value)
            }

            fn end(self) -> Result<Value, Refused> {
                self.finish()
            }
        }
    )*};
}

items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// An object in the making.
pub(super) struct Members {
    tree: Tree,
    members: Map<String, Value>,
    /// The name whose value comes next.
    name: Option<String>,
    variant: Option<&'static str>,
}

impl Members {
    fn insert<T: Serialize + ?Sized>(&mut self, name: String, value: &T) -> Result<(), Refused> {
        let value = value.serialize(self.tree)?;
        match self.members.entry(name) {
            Entry::Occupied(_) => return Err(Refused(JcsError::DuplicateName { offset: 0 })),
            Entry::Vacant(entry) => entry.insert(value),
        };
        Ok(())
    }

    fn finish(self) -> Result<Value, Refused> {
        Ok(tagged(self.variant, Value::Object(self.members)))
    }
}

impl ser::SerializeMap for Members {
    type Ok = Value;
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), Refused> {
        match name.serialize(self.tree)? {
            Value::String(name) => self.name = Some(name),
            _ => return Err(UNSERIALIZABLE),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let name = self.name.take().ok_or(UNSERIALIZABLE)?;
        self.insert(name, value)
    }

    fn end(self) -> Result<Value, Refused> {
        self.finish()
    }
}

impl ser::SerializeStruct for Members {
    type Ok = Value;
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
        self.insert(name.to_owned(), value)
    }

    fn end(self) -> Result<Value, Refused> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Members {
    type Ok = Value;
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
        self.insert(name.to_owned(), value)
    }

    fn end(self) -> Result<Value, Refused> {
        self.finish()
    }
}
