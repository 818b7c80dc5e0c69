//! Header fields that are not just text: structured fields (RFC 9651), digests (RFC 9530), preferences (RFC 7240),
//! file names (RFC 6266, RFC 8187), byte ranges (RFC 9110 §14).
//!
//! Pure: text in, values out. Each parser accepts exactly what its standard's grammar does, as far as this API needs it.

use std::ops::Range;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cartulaire_formats::hash::{Sha256Digest, Sha512Digest};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The field does not have the form of its standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the field does not have the form of its standard")]
pub struct Malformed;

/// The digests of a `Content-Digest` or `Repr-Digest` that this service computes; others are ignored (RFC 9530 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeclaredDigests {
    /// `sha-256`.
    pub sha256: Option<Sha256Digest>,
    /// `sha-512`.
    pub sha512: Option<Sha512Digest>,
}

impl DeclaredDigests {
    /// Reads a digest field: a structured dictionary whose members are byte sequences.
    ///
    /// # Errors
    /// [`Malformed`], also if a digest that is known has the wrong length.
    ///
    /// # Standard
    /// RFC 9530 §2 and §3; RFC 9651 §4.2.2.
    pub fn parse(field: &str) -> Result<Self, Malformed> {
        let mut found = Self::default();
        let mut rest = field.trim_matches(' ');
        while !rest.is_empty() {
            let (key, after) = take_key(rest)?;
            let (bytes, after) = take_bytes(after)?;
            match key {
                "sha-256" => found.sha256 = Some(Sha256Digest::from_slice(&bytes).ok_or(Malformed)?),
                "sha-512" => found.sha512 = Some(Sha512Digest::from_slice(&bytes).ok_or(Malformed)?),
                _ => {}
            }
            rest = take_comma(after)?;
        }
        Ok(found)
    }

    /// Whether nothing that is known was declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A digest field's value for a SHA-256.
#[must_use]
pub fn sha256_field(digest: &Sha256Digest) -> String {
    format!("sha-256=:{}:", STANDARD.encode(digest.0))
}

fn take_key(text: &str) -> Result<(&str, &str), Malformed> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.*".contains(c);
    let end = text.find(|c| !plain(c)).unwrap_or(text.len());
    let (key, rest) = text.split_at(end);
    let sound = key.starts_with(|c: char| c.is_ascii_lowercase() || c == '*');
    if sound { Ok((key, rest)) } else { Err(Malformed) }
}

/// `=:base64:`, with parameters skipped: none are defined for digests.
fn take_bytes(text: &str) -> Result<(Vec<u8>, &str), Malformed> {
    let (encoded, rest) = text.strip_prefix("=:").and_then(|t| t.split_once(':')).ok_or(Malformed)?;
    Ok((STANDARD.decode(encoded).map_err(|_| Malformed)?, skip_parameters(rest)?))
}

/// Parameters (`;key` or `;key=token-or-integer`), which mean nothing here.
fn skip_parameters(mut text: &str) -> Result<&str, Malformed> {
    while let Some(rest) = text.strip_prefix(';') {
        let (_, rest) = take_key(rest.trim_start_matches(' '))?;
        text = match rest.strip_prefix('=') {
            Some(value) => {
                let end = value.find([';', ',', ' ']).unwrap_or(value.len());
                if end == 0 {
                    return Err(Malformed);
                }
                &value[end..]
            }
            None => rest,
        };
    }
    Ok(text)
}

/// What follows a member's comma; a trailing comma is an error.
fn take_comma(text: &str) -> Result<&str, Malformed> {
    let text = text.trim_start_matches([' ', '\t']);
    if text.is_empty() {
        return Ok(text);
    }
    let rest = text.strip_prefix(',').ok_or(Malformed)?.trim_start_matches([' ', '\t']);
    if rest.is_empty() { Err(Malformed) } else { Ok(rest) }
}

/// Reads an `Idempotency-Key`: a structured string as the draft has it, or the bare text that many clients send.
///
/// # Errors
/// [`Malformed`] if it begins as a string and is none, is empty, or is not visible ASCII.
///
/// # Standard
/// draft-ietf-httpapi-idempotency-key-header §2.1; RFC 9651 §4.2.5.
pub fn idempotency_key(field: &str) -> Result<String, Malformed> {
    let text = field.trim_matches([' ', '\t']);
    let Some(quoted) = text.strip_prefix('"') else {
        let plain = |b: u8| (0x20..0x7f).contains(&b);
        return if !text.is_empty() && text.bytes().all(plain) { Ok(text.to_owned()) } else { Err(Malformed) };
    };
    let (value, rest) = take_quoted(quoted)?;
    if skip_parameters(rest)?.is_empty() { Ok(value) } else { Err(Malformed) }
}

/// What a quoted string says, from behind its opening quote, and what follows its closing one.
fn take_quoted(text: &str) -> Result<(String, &str), Malformed> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(chars.next().ok_or(Malformed)?.1),
            c if c.is_control() => return Err(Malformed),
            c => value.push(c),
        }
    }
    Err(Malformed)
}

/// How long a `Prefer` field asks to wait; preferences that are malformed or unknown count as not given (RFC 7240 §2).
#[must_use]
pub fn preferred_wait(field: &str) -> Option<Duration> {
    field.split(',').find_map(|preference| {
        let preference = preference.split(';').next()?;
        let (name, value) = preference.split_once('=')?;
        let is_wait = name.trim().eq_ignore_ascii_case("wait");
        let seconds = value.trim().trim_matches('"').parse::<u32>().ok()?;
        is_wait.then(|| Duration::from_secs(seconds.into()))
    })
}

/// The parameters of a `Content-Disposition` that name things.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disposition {
    /// `attachment`, `inline`, `form-data`: lowercase.
    pub kind: String,
    /// `name`, of form data.
    pub name: Option<String>,
    /// `filename*` if there is one, else `filename`.
    pub filename: Option<String>,
}

impl Disposition {
    /// Reads a `Content-Disposition`.
    ///
    /// # Errors
    /// [`Malformed`], also if a parameter comes twice or `filename*` is not UTF-8.
    ///
    /// # Standard
    /// RFC 6266 §4.1, RFC 8187 §3.2; RFC 7578 §4.2 and §5.1 (names in form data are UTF-8 as they are).
    pub fn parse(field: &str) -> Result<Self, Malformed> {
        let (kind, mut rest) = field.split_at(field.find(';').unwrap_or(field.len()));
        let kind = kind.trim().to_ascii_lowercase();
        if kind.is_empty() || !kind.bytes().all(is_token) {
            return Err(Malformed);
        }
        let (mut name, mut plain, mut extended) = (None, None, None);
        while let Some(parameter) = rest.strip_prefix(';') {
            let (key, value, after) = take_parameter(parameter)?;
            let slot = match key.as_str() {
                "name" => &mut name,
                "filename" => &mut plain,
                "filename*" => &mut extended,
                _ => &mut None,
            };
            let value = if key == "filename*" { extended_value(&value)? } else { value };
            if slot.replace(value).is_some() {
                return Err(Malformed);
            }
            rest = after;
        }
        if rest.is_empty() { Ok(Self { kind, name, filename: extended.or(plain) }) } else { Err(Malformed) }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `key=value` from behind a semicolon: the key in lowercase, the value unquoted, and what follows.
fn take_parameter(text: &str) -> Result<(String, String, &str), Malformed> {
    let (key, value) = text.split_once('=').ok_or(Malformed)?;
    let key = key.trim().to_ascii_lowercase();
    if key.is_empty() || !key.bytes().all(is_token) {
        return Err(Malformed);
    }
    let value = value.trim_start();
    let (value, rest) = match value.strip_prefix('"') {
        Some(quoted) => take_quoted(quoted)?,
        None => {
            let (token, rest) = value.split_at(value.find(';').unwrap_or(value.len()));
            let token = token.trim_end();
            if token.is_empty() || !token.bytes().all(is_token) {
                return Err(Malformed);
            }
            (token.to_owned(), rest)
        }
    };
    Ok((key, value, rest.trim_start()))
}

/// `UTF-8'lang'percent-encoded`.
fn extended_value(text: &str) -> Result<String, Malformed> {
    let mut parts = text.splitn(3, '\'');
    let (charset, _, encoded) = (parts.next(), parts.next(), parts.next().ok_or(Malformed)?);
    if !charset.is_some_and(|c| c.eq_ignore_ascii_case("utf-8")) {
        return Err(Malformed);
    }
    percent_decoded(encoded)
}

/// Percent-decodes text that must then be UTF-8 without control characters.
///
/// # Errors
/// [`Malformed`], also for a `%` without two hex digits.
pub fn percent_decoded(text: &str) -> Result<String, Malformed> {
    let bytes = text.as_bytes();
    let is_escape = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && !is_escape(at)) {
        return Err(Malformed);
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| Malformed)?;
    if decoded.chars().any(char::is_control) { Err(Malformed) } else { Ok(decoded.into_owned()) }
}

/// Characters that RFC 8187 §3.2.1 lets stand as they are.
const ATTRIBUTE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A `Content-Disposition` that makes a browser save the file under its name instead of showing it.
#[must_use]
pub fn attachment(name: &str) -> String {
    let fallback: String = name.chars().map(|c| if c.is_ascii() && is_safe(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{fallback}\"; filename*=UTF-8''{}", utf8_percent_encode(name, ATTRIBUTE))
}

fn is_safe(c: char) -> bool {
    !c.is_ascii_control() && !matches!(c, '"' | '\\' | '%')
}

/// What a `Range` field asks of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Everything: no range, several ranges, another unit, or a malformed field (RFC 9110 §14.2 lets a server ignore it).
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes beyond the end.
    Beyond,
}

/// Reads a `Range` field for a file of `size` bytes.
///
/// # Standard
/// RFC 9110 §14.1.2 and §14.2.
#[must_use]
pub fn wanted(field: &str, size: u64) -> Wanted {
    let Some((unit, spec)) = field.trim().split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return Wanted::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else { return Wanted::Whole };
    match (decimal(first), decimal(last)) {
        (Some(Some(first)), Some(last)) if last.is_none_or(|last| first <= last) => {
            let end = last.map_or(size, |last| size.min(last.saturating_add(1)));
            if first < size { Wanted::Part(first..end) } else { Wanted::Beyond }
        }
        (Some(None), Some(Some(suffix))) => {
            let start = size.saturating_sub(suffix);
            if start < size { Wanted::Part(start..size) } else { Wanted::Beyond }
        }
        _ => Wanted::Whole,
    }
}

/// `None` if the text is no number, `Some(None)` if it is empty. Numbers too large for any file count as the largest.
fn decimal(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_fields_follow_rfc_9530() {
        let digest = Sha256Digest::of(b"abc");
        let field = sha256_field(&digest);
        let found = DeclaredDigests { sha256: Some(digest), sha512: None };
        assert_eq!(DeclaredDigests::parse(&field), Ok(found));
        assert_eq!(DeclaredDigests::parse(&format!(" md5=:AAAA:;q=1 ,\t{field} ")), Ok(found));
        assert_eq!(DeclaredDigests::parse("unixsum=:AAAA:"), Ok(DeclaredDigests::default()));
        assert_eq!(DeclaredDigests::parse(""), Ok(DeclaredDigests::default()));
    }

    #[test]
    fn malformed_digest_fields_are_refused() {
        let field = sha256_field(&Sha256Digest::of(b"abc"));
        let malformed = [
            "sha-256=AAAA",
            "sha-256=:AAAA:",
            "sha-512=:AAAA:",
            "SHA-256=:AAAA:",
            "sha-256",
            "sha-256=:!!!!:",
            "=:AAAA:",
            &format!("{field},"),
            &format!("{field} {field}"),
            &format!("{field};"),
            &format!("{field};a="),
        ];
        for field in malformed {
            assert_eq!(DeclaredDigests::parse(field), Err(Malformed), "{field}");
        }
    }

    #[test]
    fn idempotency_keys_are_strings_or_bare() {
        assert_eq!(idempotency_key(r#""8e03978e \"a\\b\"";v=1"#), Ok(r#"8e03978e "a\b""#.into()));
        assert_eq!(idempotency_key(" 8e03978e-40d5 "), Ok("8e03978e-40d5".into()));
        for field in ["", "  ", "\"open", "\"a\" b", "\"a\\", "é", "a\u{7f}"] {
            assert_eq!(idempotency_key(field), Err(Malformed), "{field}");
        }
    }

    #[test]
    fn waits_are_found_among_preferences() {
        let seconds = |field| preferred_wait(field).map(|wait| wait.as_secs());
        assert_eq!(seconds("respond-async, Wait = 10; strict"), Some(10));
        assert_eq!(seconds("wait=\"7\""), Some(7));
        for field in ["", "wait", "wait=-1", "wait=soon", "waiting=3"] {
            assert_eq!(seconds(field), None, "{field}");
        }
    }

    fn disposition(kind: &str, name: Option<&str>, filename: Option<&str>) -> Result<Disposition, Malformed> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Disposition { kind: kind.into(), name: owned(name), filename: owned(filename) })
    }

    #[test]
    fn dispositions_name_files() {
        let parse = Disposition::parse;
        assert_eq!(parse("inline"), disposition("inline", None, None));
        assert_eq!(parse("Attachment ; filename = acte.pdf"), disposition("attachment", None, Some("acte.pdf")));
        let both = "attachment; filename=\"resume.pdf\"; filename*=UTF-8'fr'r%C3%A9sum%C3%A9.pdf; x=1";
        assert_eq!(parse(both), disposition("attachment", None, Some("résumé.pdf")));
        let form = "form-data; name=\"file\"; filename=\"d\u{e9}lib;\\\" 1.pdf\"";
        assert_eq!(parse(form), disposition("form-data", Some("file"), Some("délib;\" 1.pdf")));
    }

    #[test]
    fn malformed_dispositions_are_refused() {
        let malformed = [
            "",
            "; filename=a",
            "attachment; filename",
            "attachment; filename=",
            "attachment; filename=a b",
            "attachment; filename=\"a",
            "attachment; filename=\"a\" b",
            "attachment; filename=a; filename=b",
            "attachment; filename*=latin1''a",
            "attachment; filename*=UTF-8''%ff",
            "attachment; filename*=UTF-8''%0a",
            "attachment; filename*=UTF-8''%4",
            "attachment; filename*=a",
        ];
        for field in malformed {
            assert_eq!(Disposition::parse(field), Err(Malformed), "{field}");
        }
    }

    #[test]
    fn attachments_read_back_as_their_name() {
        for name in ["acte.pdf", "délibération n° 12.pdf", "a\"b\\c%20;=.txt", "日本"] {
            assert_eq!(Disposition::parse(&attachment(name)).unwrap().filename.as_deref(), Some(name));
        }
        assert_eq!(attachment("é\".pdf"), "attachment; filename=\"__.pdf\"; filename*=UTF-8''%C3%A9%22.pdf");
    }

    #[test]
    fn ranges_follow_rfc_9110() {
        assert_eq!(wanted("bytes=0-9", 100), Wanted::Part(0..10));
        assert_eq!(wanted("bytes=90-", 100), Wanted::Part(90..100));
        assert_eq!(wanted("bytes=90-1000", 100), Wanted::Part(90..100));
        assert_eq!(wanted("bytes=-10", 100), Wanted::Part(90..100));
        assert_eq!(wanted("bytes=-1000", 100), Wanted::Part(0..100));
        assert_eq!(wanted("bytes=0-99999999999999999999999", 100), Wanted::Part(0..100));
        for beyond in ["bytes=100-", "bytes=-0", "bytes=100-200"] {
            assert_eq!(wanted(beyond, 100), Wanted::Beyond, "{beyond}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Beyond);
        for whole in ["", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b"] {
            assert_eq!(wanted(whole, 100), Wanted::Whole, "{whole}");
        }
    }
}
