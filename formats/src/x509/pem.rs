//! Certificates as text (RFC 7468 §5).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// RFC 7468 §2 wraps at 64 characters.
const LINE_CHARS: usize = 64;

/// Text that does not hold the certificates that it announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// A BEGIN line without its END line.
    #[error("certificate begun on line {line} has no end")]
    Unterminated {
        /// Line of BEGIN, from 1.
        line: usize,
    },
    /// What stands between the two lines is not base64.
    #[error("certificate begun on line {line} is not base64")]
    Base64 {
        /// Line of BEGIN, from 1.
        line: usize,
    },
    /// No certificate at all.
    #[error("no certificate in the text")]
    Empty,
}

/// Reads every certificate in `text`, in order, as DER; text around them and other PEM blocks are skipped.
///
/// # Errors
/// [`PemError`].
pub fn certificates_from_pem(text: &str) -> Result<Vec<Vec<u8>>, PemError> {
    let mut certificates = Vec::new();
    let mut lines = text.lines().map(str::trim).zip(1..);
    while let Some((_, line)) = lines.by_ref().find(|(text, _)| *text == BEGIN) {
        let mut encoded = String::new();
        loop {
            match lines.next() {
                Some((END, _)) => break,
                Some((part, _)) => encoded.push_str(part),
                None => return Err(PemError::Unterminated { line }),
            }
        }
        certificates.push(
            STANDARD
                .decode(encoded)
                .map_err(|_| PemError::Base64 { line })?,
        );
    }
    if certificates.is_empty() {
        Err(PemError::Empty)
    } else {
        Ok(certificates)
    }
}

/// Writes one certificate, given as DER, with its last line ended.
#[must_use]
pub fn certificate_to_pem(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = format!("{BEGIN}\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(LINE_CHARS));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text + END + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_octets_agree() {
        let der = vec![0x30; 100];
        let text = certificate_to_pem(&der);
        assert_eq!(text.lines().map(str::len).max(), Some(LINE_CHARS));
        let around = format!("Bag\n{text}-----BEGIN X-----\nAA==\n-----END X-----\n{text}");
        assert_eq!(certificates_from_pem(&around), Ok(vec![der.clone(), der]));
    }

    #[test]
    fn each_rule_has_its_error() {
        assert_eq!(certificates_from_pem("x"), Err(PemError::Empty));
        let unterminated = format!("\n{BEGIN}\nAAAA\n");
        assert_eq!(
            certificates_from_pem(&unterminated),
            Err(PemError::Unterminated { line: 2 })
        );
        let not_base64 = format!("{BEGIN}\n!\n{END}\n");
        assert_eq!(
            certificates_from_pem(&not_base64),
            Err(PemError::Base64 { line: 1 })
        );
    }
}
