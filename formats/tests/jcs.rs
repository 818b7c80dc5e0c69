//! Canonical JSON: RFC 8785's examples as far as integers go, every refusal with its place, and properties.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::{BTreeMap, HashMap};

use cartulaire_formats::bounds::{JSON_BYTES_MAX, JSON_DEPTH_MAX};
use cartulaire_formats::jcs::*;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn text(value: &impl Serialize) -> Result<String, JcsError> {
    to_canonical(value).map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn names_are_sorted_by_utf_16_code_units() {
    // RFC 8785 §3.2.3.
    let value = json!({
        "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh", "1": "One",
        "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis"
    });
    let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
                    \"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\"\u{20ac}\":\"Euro Sign\",\
                    \"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
    assert_eq!(text(&value), Ok(expected.into()));
    assert_eq!(parse_canonical(expected.as_bytes()), Ok(value));
}

#[test]
fn strings_are_escaped_as_ecmascript_does() {
    // RFC 8785 §3.2.2, its string and literals.
    let value = json!({ "string": "\u{20ac}$\u{f}\nA'B\"\\\\\"/", "literals": [null, true, false] });
    let expected = r#"{"literals":[null,true,false],"string":"€$\u000f\nA'B\"\\\\\"/"}"#;
    assert_eq!(text(&value), Ok(expected.into()));
    let controls: String = (0..0x20u8).map(char::from).chain(['\u{7f}', '\u{2028}']).collect();
    let expected = "\"\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f\
                    \\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\
                    \\u001e\\u001f\u{7f}\u{2028}\"";
    assert_eq!(text(&controls), Ok(expected.into()));
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Sample {
    zone: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    kind: Kind,
    pairs: Vec<(i64, char)>,
    by_number: BTreeMap<String, ()>,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
enum Kind {
    Bare,
    New(u64),
    Pair(i8, bool),
    Named { b: u8, a: u8 },
}

#[test]
fn rust_values_of_every_kind() {
    let samples = [
        (Kind::Bare, r#""Bare""#),
        (Kind::New(7), r#"{"New":7}"#),
        (Kind::Pair(-1, true), r#"{"Pair":[-1,true]}"#),
        (Kind::Named { b: 2, a: 1 }, r#"{"Named":{"a":1,"b":2}}"#),
    ];
    for (kind, canonical) in samples {
        let by_number = BTreeMap::from([("k".to_owned(), ())]);
        let sample = Sample { zone: None, note: None, kind, pairs: vec![(-5, 'é')], by_number };
        let expected = format!(r#"{{"by_number":{{"k":null}},"kind":{canonical},"pairs":[[-5,"é"]],"zone":null}}"#);
        assert_eq!(text(&sample), Ok(expected.clone()));
        assert_eq!(from_canonical(expected.as_bytes()), Ok(Some(sample)));
    }
    assert_eq!(from_canonical::<Sample>(b"{}"), Ok(None));
    assert_eq!(from_canonical::<Sample>(b"{ }"), Err(JcsError::NotCanonical { offset: 1 }));
}

#[test]
fn values_without_a_canonical_form_are_refused() {
    struct TwoNames;
    impl Serialize for TwoNames {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([("a", 1), ("a", 2)])
        }
    }
    struct Failing;
    impl Serialize for Failing {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    struct Bytes;
    impl Serialize for Bytes {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(b"no")
        }
    }
    for float in [1.5, 1.0, -0.0, f64::NAN, f64::INFINITY] {
        assert_eq!(text(&float), Err(JcsError::NotInteger { offset: 0 }));
    }
    assert_eq!(text(&1f32), Err(JcsError::NotInteger { offset: 0 }));
    assert_eq!(text(&json!(0.5)), Err(JcsError::NotInteger { offset: 0 }));
    assert_eq!(text(&9_007_199_254_740_991i64), Ok("9007199254740991".into()));
    assert_eq!(text(&-9_007_199_254_740_991i64), Ok("-9007199254740991".into()));
    for large in [9_007_199_254_740_992i128, -9_007_199_254_740_992, i64::MIN.into(), u64::MAX.into(), i128::MAX] {
        assert_eq!(text(&large), Err(JcsError::IntegerTooLarge { offset: 0 }));
    }
    assert_eq!(text(&TwoNames), Err(JcsError::DuplicateName { offset: 0 }));
    assert_eq!(text(&Failing), Err(JcsError::Unserializable));
    assert_eq!(text(&Bytes), Err(JcsError::Unserializable));
    assert_eq!(text(&HashMap::from([(1, 2)])), Err(JcsError::Unserializable));

    let nested = |depth| (0..depth).fold(json!(0), |inner, _| json!([inner]));
    assert_eq!(text(&nested(JSON_DEPTH_MAX)).map(|t| t.len()), Ok(2 * JSON_DEPTH_MAX + 1));
    assert_eq!(text(&nested(JSON_DEPTH_MAX + 1)), Err(JcsError::TooDeep { offset: 0 }));
    let long = "x".repeat(JSON_BYTES_MAX - 1);
    assert_eq!(text(&long), Err(JcsError::TooLarge { bytes: JSON_BYTES_MAX + 1 }));
}

#[test]
fn ordinary_json_is_read_in_any_order_and_spacing() {
    let ordinary =
        b" {\"b\" : [ 1 ,\t-2, {} , [ ] ],\r\n\"a\":\"\\u00e9\\/\\ud83d\\ude00\\b\\f\\n\\r\\t\\\"\\\\\" } \n";
    let expected = json!({ "a": "é/\u{1f600}\u{8}\u{c}\n\r\t\"\\", "b": [1, -2, {}, []] });
    assert_eq!(parse_strict(ordinary), Ok(expected));
}

#[test]
fn every_refusal_says_where() {
    use JcsError::*;
    let refused: [(&[u8], JcsError); 43] = [
        (b"", Truncated { offset: 0 }),
        (b" ", Truncated { offset: 1 }),
        (b"[1", Truncated { offset: 2 }),
        (b"[1,", Truncated { offset: 3 }),
        (b"[1,]", Syntax { offset: 3 }),
        (b"[1 2]", Syntax { offset: 3 }),
        (b"{\"a\"", Truncated { offset: 4 }),
        (b"{\"a\" 1}", Syntax { offset: 5 }),
        (b"{\"a\":1,}", Syntax { offset: 7 }),
        (b"{a:1}", Syntax { offset: 1 }),
        (b"{1:1}", Syntax { offset: 1 }),
        (b"'a'", Syntax { offset: 0 }),
        (b"tru", Truncated { offset: 3 }),
        (b"trUe", Syntax { offset: 2 }),
        (b"nul1", Syntax { offset: 3 }),
        (b"falsy", Syntax { offset: 4 }),
        (b"NaN", Syntax { offset: 0 }),
        (b"+1", Syntax { offset: 0 }),
        (b"-", Truncated { offset: 1 }),
        (b"-a", Syntax { offset: 1 }),
        (b"01", Syntax { offset: 1 }),
        (b"\xef\xbb\xbf1", Syntax { offset: 0 }),
        (b"/**/1", Syntax { offset: 0 }),
        (b"[1.0]", NotInteger { offset: 1 }),
        (b"[1e3]", NotInteger { offset: 1 }),
        (b"-0", NotInteger { offset: 0 }),
        (b"9007199254740992", IntegerTooLarge { offset: 0 }),
        (b"[-99999999999999999999999]", IntegerTooLarge { offset: 1 }),
        (b"1 2", Trailing { offset: 2 }),
        (b"{}x", Trailing { offset: 2 }),
        (b"{}\0", Trailing { offset: 2 }),
        (b"{\"a\":1,\"a\":1}", DuplicateName { offset: 7 }),
        (b"{\"a\":1,\"\\u0061\":1}", DuplicateName { offset: 7 }),
        (b"\"\\ud800\"", LoneSurrogate { offset: 1 }),
        (b"\"x\\udc00\"", LoneSurrogate { offset: 2 }),
        (b"\"\\ud800\\u0061\"", LoneSurrogate { offset: 1 }),
        (b"\"\\ud800\\ud800\"", LoneSurrogate { offset: 1 }),
        (b"\"\\u12g4\"", Syntax { offset: 5 }),
        (b"\"\\x\"", Syntax { offset: 2 }),
        (b"\"\\u00", Truncated { offset: 5 }),
        (b"\"abc", Truncated { offset: 4 }),
        (b"\"a\nb\"", ControlCharacter { offset: 2 }),
        (b"\"a\xff\"", Utf8 { offset: 2 }),
    ];
    for (bytes, error) in refused {
        assert_eq!(parse_strict(bytes), Err(error), "{}", bytes.escape_ascii());
        assert_eq!(parse_canonical(bytes), Err(error), "{}", bytes.escape_ascii());
    }
    let deep = "[".repeat(JSON_DEPTH_MAX + 1);
    assert_eq!(parse_strict(deep.as_bytes()), Err(TooDeep { offset: JSON_DEPTH_MAX }));
    let endless = "{\"a\":".repeat(100_000);
    assert_eq!(parse_strict(endless.as_bytes()), Err(TooDeep { offset: 5 * JSON_DEPTH_MAX }));
    let large = vec![b' '; JSON_BYTES_MAX + 1];
    assert_eq!(parse_strict(&large), Err(TooLarge { bytes: JSON_BYTES_MAX + 1 }));
}

#[test]
fn any_other_text_of_the_same_value_is_not_canonical() {
    let refused: [(&[u8], usize); 7] = [
        (b"{\"a\":1} ", 7),
        (b" {\"a\":1}", 0),
        (b"{\"a\": 1}", 5),
        (b"{\"b\":1,\"a\":1}", 2),
        (b"\"\\u0041\"", 1),
        (b"\"\\/\"", 1),
        (b"\"\\u000A\"", 2),
    ];
    for (bytes, offset) in refused {
        assert!(parse_strict(bytes).is_ok());
        assert_eq!(parse_canonical(bytes), Err(JcsError::NotCanonical { offset }), "{}", bytes.escape_ascii());
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991i64..=9_007_199_254_740_991).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_text_comes_back(value in any_value()) {
        let bytes = to_canonical(&value).unwrap();
        prop_assert_eq!(parse_canonical(&bytes), Ok(value.clone()));
        // serde_json as the second opinion: same value from our text, and from its own texts in our reader.
        prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value.clone());
        prop_assert_eq!(parse_strict(&serde_json::to_vec_pretty(&value).unwrap()), Ok(value));
    }

    #[test]
    fn what_is_read_serde_json_reads_the_same(text in "[\\[\\]{}:,\"\\\\u0d8/a1 e.-]{0,24}") {
        if let Ok(value) = parse_strict(text.as_bytes()) {
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse_canonical(&bytes);
    }
}
