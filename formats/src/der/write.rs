//! Writing DER: every function returns one whole element.

use super::Tag;

/// An element with the given contents.
#[must_use]
pub fn tlv(tag: Tag, contents: &[u8]) -> Vec<u8> {
    let mut element = Vec::with_capacity(contents.len() + 6);
    element.push(tag.0);
    push_length(&mut element, contents.len());
    element.extend_from_slice(contents);
    element
}

fn push_length(element: &mut Vec<u8>, length: usize) {
    if length < 0x80 {
        element.push(length as u8);
        return;
    }
    let octets = length.to_be_bytes();
    let leading = octets.iter().take_while(|&&octet| octet == 0).count();
    element.push(0x80 | (octets.len() - leading) as u8);
    element.extend_from_slice(&octets[leading..]);
}

/// A SEQUENCE of whole elements, in the order given.
#[must_use]
pub fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    tlv(Tag::SEQUENCE, &elements.concat())
}

/// A SET OF (or, with another tag, an implicitly tagged one): elements in ascending order of their octets.
///
/// Plain lexicographic order is the order of X.690 §11.6, since no element is a prefix of another.
#[must_use]
pub fn set_of<E: AsRef<[u8]>>(tag: Tag, mut elements: Vec<E>) -> Vec<u8> {
    elements.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
    let contents: Vec<u8> = elements.iter().flat_map(|e| e.as_ref()).copied().collect();
    tlv(tag, &contents)
}

/// A non-negative INTEGER from its big-endian octets, with or without leading zeros.
#[must_use]
pub fn integer(magnitude: &[u8]) -> Vec<u8> {
    let leading = magnitude.iter().take_while(|&&octet| octet == 0).count();
    let digits = &magnitude[leading..];
    let sign_octet: &[u8] = if digits.first().is_none_or(|first| first & 0x80 != 0) {
        &[0]
    } else {
        &[]
    };
    tlv(Tag::INTEGER, &[sign_octet, digits].concat())
}

/// A BOOLEAN.
#[must_use]
pub fn boolean(value: bool) -> Vec<u8> {
    tlv(Tag::BOOLEAN, &[if value { 0xff } else { 0x00 }])
}

/// NULL.
#[must_use]
pub fn null() -> Vec<u8> {
    tlv(Tag::NULL, &[])
}

/// An OCTET STRING.
#[must_use]
pub fn octet_string(octets: &[u8]) -> Vec<u8> {
    tlv(Tag::OCTET_STRING, octets)
}

/// A BIT STRING whose last `unused` bits (0 to 7, zero in `octets`) do not count.
#[must_use]
pub fn bit_string(octets: &[u8], unused: u8) -> Vec<u8> {
    tlv(Tag::BIT_STRING, &[&[unused], octets].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_minimal_and_positive() {
        assert_eq!(integer(&[]), [2, 1, 0]);
        assert_eq!(integer(&[0, 0]), [2, 1, 0]);
        assert_eq!(integer(&[0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
    }

    #[test]
    fn sets_are_sorted() {
        assert_eq!(
            set_of(Tag::SET, vec![integer(&[2]), integer(&[1])]),
            [0x31, 6, 2, 1, 1, 2, 1, 2]
        );
    }
}
