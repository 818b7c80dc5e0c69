//! `multipart/form-data` as a stream, in bounded memory whatever the sender does.
//!
//! The buffer never holds more than one piece of the body and one part's header fields. Part contents are given out as
//! they come; nothing is collected here.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use bytes::{Bytes, BytesMut};
use memchr::memmem;

use super::body::WatchedBody;
use super::problem::{Problem, ProblemKind};
use super::structured::Disposition;

/// Bytes before the first part that are put up with (RFC 2046 §5.1.1 allows a preamble; nobody sends one).
const PREAMBLE_BYTES_MAX: usize = 1 << 10;
/// Bytes of padding allowed behind a delimiter.
const PADDING_BYTES_MAX: usize = 128;

/// A multipart body being read, part by part.
pub struct Multipart<'a> {
    body: &'a mut WatchedBody,
    buffer: BytesMut,
    /// `CRLF -- boundary`.
    delimiter: memmem::Finder<'static>,
    state: State,
    preamble: usize,
    parts: usize,
    parts_max: usize,
    part_header_bytes_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Preamble,
    InPart,
    AfterDelimiter,
    End,
}

/// The head of a part.
#[derive(Debug, Clone)]
pub struct PartHead {
    /// Its `Content-Disposition`.
    pub disposition: Disposition,
    /// All its header fields.
    pub headers: HeaderMap,
}

/// The boundary that a `Content-Type` names, if it is `multipart/form-data` at all.
///
/// # Errors
/// [`ProblemKind::MultipartMalformed`] if the boundary is missing or malformed.
///
/// # Standard
/// RFC 2046 §5.1.1: 1 to 70 characters of a small set, the last one no space.
pub fn boundary(content_type: &str) -> Option<Result<String, Problem>> {
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
    let found = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    });
    let sound = |text: &String| (1..=70).contains(&text.len()) && !text.ends_with(' ') && text.bytes().all(plain);
    Some(found.filter(sound).ok_or_else(|| ProblemKind::MultipartMalformed.into()))
}

impl<'a> Multipart<'a> {
    /// Begins to read a body.
    ///
    /// - `parts_max`, `part_header_bytes_max`: see [`super::limits::Limits`].
    #[must_use]
    pub fn new(body: &'a mut WatchedBody, boundary: &str, parts_max: usize, part_header_bytes_max: usize) -> Self {
        let delimiter = memmem::Finder::new(format!("\r\n--{boundary}").as_bytes()).into_owned();
        // The first delimiter may stand at the very beginning: a line feed before it makes it like the others.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        Self {
            body,
            buffer,
            delimiter,
            state: State::Preamble,
            preamble: 0,
            parts: 0,
            parts_max,
            part_header_bytes_max,
        }
    }

    /// The next part's head; `None` after the last part. What is left of the part before is skipped.
    ///
    /// # Errors
    /// [`ProblemKind::MultipartMalformed`], [`ProblemKind::BodyTruncated`], and those of [`WatchedBody::next`].
    pub async fn next_part(&mut self) -> Result<Option<PartHead>, Problem> {
        while matches!(self.state, State::Preamble | State::InPart) {
            let is_preamble = self.state == State::Preamble;
            let skipped = self.take_until_delimiter().await?.map_or(0, |bytes| bytes.len());
            self.preamble += if is_preamble { skipped } else { 0 };
            if self.preamble > PREAMBLE_BYTES_MAX {
                return Err(malformed("preamble"));
            }
        }
        if self.state == State::End || self.is_last_delimiter().await? {
            self.state = State::End;
            return Ok(None);
        }
        self.parts += 1;
        if self.parts > self.parts_max {
            return Err(malformed("parts"));
        }
        let head = self.head().await?;
        self.state = State::InPart;
        Ok(Some(head))
    }

    /// The next piece of the present part's content; `None` at its end.
    ///
    /// # Errors
    /// [`ProblemKind::BodyTruncated`], and those of [`WatchedBody::next`].
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, Problem> {
        while self.state == State::InPart {
            match self.take_until_delimiter().await? {
                Some(piece) if !piece.is_empty() => return Ok(Some(piece)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Takes what surely comes before a delimiter; having met it, goes on behind it.
    async fn take_until_delimiter(&mut self) -> Result<Option<Bytes>, Problem> {
        let length = self.delimiter.needle().len();
        if let Some(at) = self.delimiter.find(&self.buffer) {
            let before = self.buffer.split_to(at).freeze();
            drop(self.buffer.split_to(length));
            self.state = State::AfterDelimiter;
            return Ok(Some(before));
        }
        // The beginning of a delimiter may be at the end of what there is.
        let sure = self.buffer.len().saturating_sub(length - 1);
        let before = (sure > 0).then(|| self.buffer.split_to(sure).freeze());
        if before.is_none() || self.state == State::Preamble {
            self.fill().await?;
        }
        Ok(before)
    }

    async fn fill(&mut self) -> Result<(), Problem> {
        let piece = self.body.next().await?.ok_or(ProblemKind::BodyTruncated)?;
        self.buffer.extend_from_slice(&piece);
        Ok(())
    }

    /// Reads the rest of a delimiter's line: `--` ends the parts, padding and CRLF begin one.
    async fn is_last_delimiter(&mut self) -> Result<bool, Problem> {
        loop {
            if self.buffer.starts_with(b"--") {
                return Ok(true);
            }
            if let Some(end) = memmem::find(&self.buffer, b"\r\n") {
                let padding = self.buffer.split_to(end + 2);
                let plain = padding[..end].iter().all(|b| matches!(b, b' ' | b'\t'));
                return if plain && end <= PADDING_BYTES_MAX { Ok(false) } else { Err(malformed("delimiter")) };
            }
            if self.buffer.len() > PADDING_BYTES_MAX + 1 {
                return Err(malformed("delimiter"));
            }
            self.fill().await?;
        }
    }

    async fn head(&mut self) -> Result<PartHead, Problem> {
        loop {
            if self.buffer.starts_with(b"\r\n") {
                return Err(malformed("content-disposition"));
            }
            match memmem::find(&self.buffer, b"\r\n\r\n") {
                Some(end) if end <= self.part_header_bytes_max => {
                    let head = self.buffer.split_to(end + 4);
                    return parse_head(&head[..end]);
                }
                None if self.buffer.len() <= self.part_header_bytes_max => self.fill().await?,
                _ => return Err(malformed("headers")),
            }
        }
    }
}

/// Reads a part's header fields: ASCII names, values in UTF-8 (RFC 7578 §5.1).
fn parse_head(head: &[u8]) -> Result<PartHead, Problem> {
    let text = std::str::from_utf8(head).map_err(|_| malformed("headers"))?;
    let mut headers = HeaderMap::new();
    for line in text.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("headers"))?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed("headers"))?;
        let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| malformed("headers"))?;
        if headers.insert(name, value).is_some() {
            return Err(malformed("headers"));
        }
    }
    let value = headers.get(header::CONTENT_DISPOSITION).and_then(|v| std::str::from_utf8(v.as_bytes()).ok());
    let disposition = value.and_then(|v| Disposition::parse(v).ok()).filter(|d| d.kind == "form-data");
    let disposition = disposition.ok_or_else(|| malformed("content-disposition"))?;
    Ok(PartHead { disposition, headers })
}

fn malformed(place: &str) -> Problem {
    Problem::new(ProblemKind::MultipartMalformed).with("place", place)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use futures_util::stream;

    use super::super::limits::Limits;
    use super::super::structured::DeclaredDigests;
    use super::*;

    fn watched(bytes: &[u8], step: usize) -> WatchedBody {
        let pieces: Vec<_> = bytes.chunks(step).map(|c| Ok::<_, Infallible>(Bytes::copy_from_slice(c))).collect();
        let body = Body::from_stream(stream::iter(pieces));
        let limits = Limits::default();
        WatchedBody::new(body, &HeaderMap::new(), &limits, 1 << 20, &DeclaredDigests::default())
    }

    async fn read(bytes: &[u8], step: usize) -> Result<Vec<(String, Vec<u8>)>, Problem> {
        let mut body = watched(bytes, step);
        let mut multipart = Multipart::new(&mut body, "xyz", 4, 200);
        let mut parts = Vec::new();
        while let Some(head) = multipart.next_part().await? {
            let mut content = Vec::new();
            while let Some(piece) = multipart.next_piece().await? {
                content.extend_from_slice(&piece);
            }
            parts.push((head.disposition.filename.unwrap_or_default(), content));
        }
        Ok(parts)
    }

    fn part(name: &str, content: &str) -> String {
        format!("--xyz\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\r\n{content}\r\n")
    }

    #[tokio::test]
    async fn parts_are_the_same_however_they_arrive() {
        let tricky = "\r\n--xy\r\n--xz\r\n\r\n-";
        let body = format!("{}{}{}--xyz--\r\nepilogue", part("é.txt", "un"), part("vide", ""), part("b", tricky));
        let expected =
            [("é.txt", "un"), ("vide", ""), ("b", tricky)].map(|(name, text)| (name.to_owned(), text.into()));
        for step in 1..body.len() {
            assert_eq!(read(body.as_bytes(), step).await, Ok(expected.to_vec()), "in steps of {step}");
        }
    }

    #[tokio::test]
    async fn every_truncation_is_noticed() {
        let body = format!("{}{}--xyz--", part("a", "un"), part("b", "deux"));
        for length in 0..body.len() {
            let kind = read(&body.as_bytes()[..length], 7).await.map_err(|problem| problem.kind());
            assert_eq!(kind, Err(ProblemKind::BodyTruncated), "cut at {length}");
        }
    }

    #[tokio::test]
    async fn what_is_no_multipart_is_refused() {
        let long = format!("--xyz\r\nX: {}", "a".repeat(300));
        let many = part("a", "").repeat(5);
        let cases = [
            ("preamble", "x".repeat(2_000)),
            ("delimiter", "--xyz garbage\r\n".into()),
            ("delimiter", format!("--xyz{}", " ".repeat(200))),
            ("headers", long),
            ("headers", "--xyz\r\nno colon\r\n\r\n".into()),
            ("headers", "--xyz\r\nA: 1\r\na: 2\r\n\r\n".into()),
            ("headers", "--xyz\r\nA: \u{1}\r\n\r\n".into()),
            ("content-disposition", "--xyz\r\n\r\ncontent".into()),
            ("content-disposition", "--xyz\r\nContent-Disposition: attachment\r\n\r\n".into()),
            ("parts", many),
        ];
        for (place, body) in cases {
            assert_eq!(read(body.as_bytes(), 50).await, Err(malformed(place)), "{body}");
        }
        assert_eq!(read(b"--xyz\r\nA: \xff\r\n\r\n", 50).await, Err(malformed("headers")));
    }

    #[test]
    fn boundaries_follow_rfc_2046() {
        let found = |text| boundary(text).map(Result::ok);
        assert_eq!(found("multipart/form-data; boundary=\"a b\""), Some(Some("a b".into())));
        assert_eq!(found("Multipart/Form-Data;charset=utf-8;Boundary=x"), Some(Some("x".into())));
        assert_eq!(found("application/pdf"), None);
        for text in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=é"] {
            assert_eq!(found(text), Some(None), "{text}");
        }
        assert_eq!(found(&format!("multipart/form-data; boundary={}", "x".repeat(71))), Some(None));
    }
}
