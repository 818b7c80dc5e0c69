//! The parts of CMS that a time-stamp token uses: ContentInfo and SignedData, read without copying.
//!
//! Nothing here judges: who signed, with what right, and whether the signature holds is [`crate::tsp`]'s work.

use crate::bounds::CMS_SET_MEMBERS_MAX;
use crate::der::{self, DerError, ObjectIdentifier, Reader, Tag, Tlv};

/// A structure that is not the CMS that it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CmsError {
    /// The encoding is wrong.
    #[error(transparent)]
    Der(#[from] DerError),
    /// The ContentInfo holds another content type than SignedData.
    #[error("content is not SignedData")]
    NotSignedData,
    /// The SignedData has no content of its own (a detached signature).
    #[error("content is absent")]
    ContentAbsent,
}

/// The hash functions accepted in evidence (reference: SOG-IS agreed mechanisms, SHA-2 family).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// SHA-256: 32 bytes.
    Sha256,
    /// SHA-384: 48 bytes.
    Sha384,
    /// SHA-512: 64 bytes.
    Sha512,
}

impl HashAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// Its object identifier.
    #[must_use]
    pub const fn object_identifier(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => ObjectIdentifier::SHA256,
            Self::Sha384 => ObjectIdentifier::SHA384,
            Self::Sha512 => ObjectIdentifier::SHA512,
        }
    }

    /// The algorithm that an object identifier names, if it is one of these.
    #[must_use]
    pub fn from_object_identifier(oid: &ObjectIdentifier) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.object_identifier() == *oid)
    }

    /// Length of its digests in bytes.
    #[must_use]
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Hashes the concatenation of `parts`.
    #[must_use]
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        fn run<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut hasher = D::new();
            parts.iter().for_each(|part| hasher.update(part));
            hasher.finalize().to_vec()
        }
        match self {
            Self::Sha256 => run::<sha2::Sha256>(parts),
            Self::Sha384 => run::<sha2::Sha384>(parts),
            Self::Sha512 => run::<sha2::Sha512>(parts),
        }
    }

    /// Its AlgorithmIdentifier as we write it: parameters absent (RFC 5754 §2).
    #[must_use]
    pub fn to_der(self) -> Vec<u8> {
        der::sequence(&[&self.object_identifier().to_der()])
    }
}

impl std::fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        })
    }
}

/// An AlgorithmIdentifier as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlgorithmIdentifier<'a> {
    /// The algorithm.
    pub algorithm: ObjectIdentifier,
    /// Its parameters, one whole element; absent and NULL stay distinct here.
    pub parameters: Option<Tlv<'a>>,
}

impl<'a> AlgorithmIdentifier<'a> {
    /// Reads the contents of an AlgorithmIdentifier, whatever its own tag.
    ///
    /// # Errors
    /// [`DerError`].
    pub fn read(mut contents: Reader<'a>) -> Result<Self, DerError> {
        let algorithm = contents
            .expect(Tag::OBJECT_IDENTIFIER)?
            .object_identifier()?;
        let parameters = if contents.is_empty() {
            None
        } else {
            Some(contents.read()?)
        };
        contents.finish()?;
        Ok(Self {
            algorithm,
            parameters,
        })
    }

    /// Whether parameters are absent or NULL: the two spellings met for hash functions.
    #[must_use]
    pub fn has_no_parameters(&self) -> bool {
        self.parameters
            .is_none_or(|p| p.tag == Tag::NULL && p.contents.is_empty())
    }

    /// The accepted hash function that this names, its parameters absent or NULL.
    #[must_use]
    pub fn hash_algorithm(&self) -> Option<HashAlgorithm> {
        if !self.has_no_parameters() {
            return None;
        }
        HashAlgorithm::from_object_identifier(&self.algorithm)
    }
}

/// SignedData (RFC 5652 §5.1) as slices of the token it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedData<'a> {
    /// CMSVersion: 3 for a time-stamp token, 5 with OCSP responses inside.
    pub version: u32,
    /// Type of the content.
    pub content_type: ObjectIdentifier,
    /// Octets of the content, which `messageDigest` hashes.
    pub content: &'a [u8],
    /// Certificates, each one whole element.
    pub certificates: Vec<&'a [u8]>,
    /// Revocation lists, each one whole element.
    pub revocation_lists: Vec<&'a [u8]>,
    /// Revocation data of other kinds (OCSP responses), each one whole element.
    pub other_revocation: Vec<&'a [u8]>,
    /// The signers, in the order found.
    pub signers: Vec<SignerInfo<'a>>,
}

/// How a signer names its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerIdentifier<'a> {
    /// Issuer's name, one whole element, and serial number, the contents of its INTEGER.
    IssuerAndSerial {
        /// The issuer's name.
        issuer: &'a [u8],
        /// The serial number.
        serial: &'a [u8],
    },
    /// The subject key identifier's octets.
    SubjectKeyIdentifier(&'a [u8]),
}

/// One SignerInfo (RFC 5652 §5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerInfo<'a> {
    /// Whose certificate.
    pub identifier: SignerIdentifier<'a>,
    /// Hash of content and attributes.
    pub digest_algorithm: AlgorithmIdentifier<'a>,
    /// What the signature covers.
    pub signed_attributes: Option<SignedAttributes<'a>>,
    /// Algorithm of the signature.
    pub signature_algorithm: AlgorithmIdentifier<'a>,
    /// The signature's octets.
    pub signature: &'a [u8],
    /// Whether unsigned attributes follow.
    pub has_unsigned_attributes: bool,
}

/// Signed attributes, kept as received: the signature covers these octets with their tag replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAttributes<'a> {
    raw: &'a [u8],
    /// Each attribute, in the order found.
    pub attributes: Vec<Attribute<'a>>,
}

/// An attribute: its type and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The type.
    pub attribute_type: ObjectIdentifier,
    /// The values, at least one in a sound attribute.
    pub values: Vec<Tlv<'a>>,
}

impl SignedAttributes<'_> {
    /// The octets that the signature covers: the attributes under the tag of SET OF instead of `[0]`.
    ///
    /// # Standard
    /// RFC 5652 §5.4.
    #[must_use]
    pub fn signed_octets(&self) -> Vec<u8> {
        let mut octets = self.raw.to_vec();
        octets[0] = Tag::SET.0;
        octets
    }

    /// All attributes of one type.
    pub fn of_type(
        &self,
        attribute_type: &ObjectIdentifier,
    ) -> impl Iterator<Item = &Attribute<'_>> {
        self.attributes
            .iter()
            .filter(move |attribute| attribute.attribute_type == *attribute_type)
    }
}

/// Opens a ContentInfo: its type, and its content as one whole element.
///
/// # Errors
/// [`DerError`].
///
/// # Standard
/// RFC 5652 §3.
pub fn content_info(bytes: &[u8]) -> Result<(ObjectIdentifier, &[u8]), DerError> {
    let mut reader = Reader::single(bytes, Tag::SEQUENCE)?.reader();
    let content_type = reader.expect(Tag::OBJECT_IDENTIFIER)?.object_identifier()?;
    let mut explicit = reader.expect(Tag::context(0))?.reader();
    reader.finish()?;
    let content = explicit.read()?;
    explicit.finish()?;
    Ok((content_type, content.raw))
}

impl<'a> SignedData<'a> {
    /// Reads a ContentInfo that must hold SignedData with its content inside.
    ///
    /// Accepts members of SET OF in any order, so that tokens can be read before they are normalised.
    ///
    /// # Errors
    /// [`CmsError`].
    pub fn parse(token: &'a [u8]) -> Result<Self, CmsError> {
        let (content_type, content) = content_info(token)?;
        if content_type != ObjectIdentifier::SIGNED_DATA {
            return Err(CmsError::NotSignedData);
        }
        let mut reader = Reader::single(content, Tag::SEQUENCE)?.reader();
        let version = reader.expect(Tag::INTEGER)?.unsigned()?;
        reader.expect(Tag::SET)?;
        let (content_type, content) = encapsulated_content(reader.sequence()?)?;
        let certificates = members(reader.optional(Tag::context(0))?)?;
        let revocation = members(reader.optional(Tag::context(1))?)?;
        let signers = reader.expect(Tag::SET)?.reader().all(CMS_SET_MEMBERS_MAX)?;
        reader.finish()?;
        let (lists, other) = revocation
            .into_iter()
            .partition(|element| element.tag == Tag::SEQUENCE);
        Ok(Self {
            version,
            content_type,
            content,
            certificates: raw(certificates),
            revocation_lists: raw(lists),
            other_revocation: raw(other),
            signers: signers
                .iter()
                .map(SignerInfo::read)
                .collect::<Result<_, _>>()?,
        })
    }
}

fn encapsulated_content(mut reader: Reader<'_>) -> Result<(ObjectIdentifier, &[u8]), CmsError> {
    let content_type = reader.expect(Tag::OBJECT_IDENTIFIER)?.object_identifier()?;
    let explicit = reader
        .optional(Tag::context(0))?
        .ok_or(CmsError::ContentAbsent)?;
    reader.finish()?;
    let mut explicit = explicit.reader();
    let content = explicit.expect(Tag::OCTET_STRING)?.contents;
    explicit.finish()?;
    Ok((content_type, content))
}

fn members(set: Option<Tlv<'_>>) -> Result<Vec<Tlv<'_>>, DerError> {
    set.map_or(Ok(Vec::new()), |set| set.reader().all(CMS_SET_MEMBERS_MAX))
}

fn raw(elements: Vec<Tlv<'_>>) -> Vec<&[u8]> {
    elements.into_iter().map(|element| element.raw).collect()
}

impl<'a> SignerInfo<'a> {
    fn read(element: &Tlv<'a>) -> Result<Self, DerError> {
        let mut outer = Reader::new(element.raw);
        let mut reader = outer.sequence()?;
        reader.expect(Tag::INTEGER)?.unsigned()?;
        let identifier = SignerIdentifier::read(&mut reader)?;
        let digest_algorithm = AlgorithmIdentifier::read(reader.sequence()?)?;
        let attributes = reader.optional(Tag::context(0))?;
        let signed_attributes = attributes
            .as_ref()
            .map(SignedAttributes::read)
            .transpose()?;
        let signature_algorithm = AlgorithmIdentifier::read(reader.sequence()?)?;
        let signature = reader.expect(Tag::OCTET_STRING)?.contents;
        let has_unsigned_attributes = reader.optional(Tag::context(1))?.is_some();
        reader.finish()?;
        Ok(Self {
            identifier,
            digest_algorithm,
            signed_attributes,
            signature_algorithm,
            signature,
            has_unsigned_attributes,
        })
    }
}

impl<'a> SignerIdentifier<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        if let Some(identifier) = reader.optional(Tag::context_primitive(0))? {
            return Ok(Self::SubjectKeyIdentifier(identifier.contents));
        }
        let mut pair = reader.sequence()?;
        let issuer = pair.expect(Tag::SEQUENCE)?.raw;
        let serial = pair.expect(Tag::INTEGER)?.integer()?;
        pair.finish()?;
        Ok(Self::IssuerAndSerial { issuer, serial })
    }
}

impl<'a> SignedAttributes<'a> {
    fn read(element: &Tlv<'a>) -> Result<Self, DerError> {
        let attributes = element.reader().all(CMS_SET_MEMBERS_MAX)?;
        let attributes = attributes
            .iter()
            .map(Attribute::read)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            raw: element.raw,
            attributes,
        })
    }
}

impl<'a> Attribute<'a> {
    fn read(element: &Tlv<'a>) -> Result<Self, DerError> {
        let mut outer = Reader::new(element.raw);
        let mut reader = outer.sequence()?;
        let attribute_type = reader.expect(Tag::OBJECT_IDENTIFIER)?.object_identifier()?;
        let values = reader.expect(Tag::SET)?.reader().all(CMS_SET_MEMBERS_MAX)?;
        reader.finish()?;
        Ok(Self {
            attribute_type,
            values,
        })
    }
}
