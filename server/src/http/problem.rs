//! Problem details (RFC 9457): every refusal and fault that a client ever sees.
//!
//! `title` is English and stable with `type`, for programmers; `detail` is French, for the clerk whose portal shows it.
//! Both are fixed texts of this table: nothing internal can leak through them. What varies (a rule's name, a place in the
//! deposit, an archive) travels in members of its own.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cartulaire_engine::admit::Rejection;
use cartulaire_engine::fault::{Fault, Retry};
use cartulaire_engine::index::IndexError;
use cartulaire_engine::ports::CreateError;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What every problem's `type` begins with; its last segment is the problem's stable code.
pub const TYPE_BASE: &str = "https://cartulaire.example/problems/";

/// The media type of a problem (RFC 9457 §3).
pub const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident, $title:literal, $detail:literal;)*) => {
        /// Every kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemKind {
            $($(#[$doc])* $name,)*
        }

        impl ProblemKind {
            /// Every kind, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its stable code.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// Its HTTP status.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }

            /// What it is, in English.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// What it means and what to do, in French.
            #[must_use]
            pub fn detail(self) -> &'static str {
                match self { $(Self::$name => $detail),* }
            }
        }
    };
}

problems! {
    /// The request could not be read as HTTP.
    RequestMalformed = "request-malformed", BAD_REQUEST, "The request is not well-formed HTTP",
        "La requête n'est pas du HTTP bien formé.";
    /// The path or the query is not percent-encoded UTF-8 or climbs out of its folder.
    PathMalformed = "path-malformed", BAD_REQUEST, "The path or the query is malformed",
        "Le chemin ou la chaîne de requête contient un encodage invalide, un caractère de contrôle ou un segment « .. ».";
    /// A query parameter is unknown or does not have its form.
    QueryMalformed = "query-malformed", BAD_REQUEST, "A query parameter is malformed",
        "Un paramètre de la requête est inconnu ou n'a pas la forme attendue.";
    /// A header field does not have the form of its standard.
    HeaderMalformed = "header-malformed", BAD_REQUEST, "A header field is malformed",
        "Un champ d'en-tête n'a pas la forme que prévoit sa norme ; « field » le nomme.";
    /// `Content-Digest` or `Repr-Digest` does not have the form of RFC 9530.
    DigestFieldMalformed = "digest-field-malformed", BAD_REQUEST, "A digest field is malformed",
        "Un champ Content-Digest ou Repr-Digest n'a pas la forme de la RFC 9530 ; « field » le nomme.";
    /// The description is not the JSON that is documented.
    DescriptionMalformed = "description-malformed", BAD_REQUEST, "The description is malformed",
        "La description du versement n'est pas le document JSON attendu ; « line » et « column » disent où.";
    /// The JSON body is not what is documented.
    JsonMalformed = "json-malformed", BAD_REQUEST, "The JSON body is malformed",
        "Le corps de la requête n'est pas le document JSON attendu.";
    /// The multipart body is not what RFC 7578 describes.
    MultipartMalformed = "multipart-malformed", BAD_REQUEST, "The multipart body is malformed",
        "Le corps multipart/form-data est mal formé : première partie « description », puis une partie nommée par fichier.";
    /// `Idempotency-Key` and the description name different transfers.
    TransferDisagrees = "transfer-disagrees", BAD_REQUEST, "Two different transfer identifiers were given",
        "L'en-tête Idempotency-Key et la description donnent deux identifiants de transfert différents.";
    /// The body ended before its announced end.
    BodyTruncated = "body-truncated", BAD_REQUEST, "The body ended too early",
        "Le corps de la requête s'est arrêté avant sa fin annoncée ; rien n'a été conservé.";
    /// No key, a malformed one, an unknown one, or a revoked one.
    KeyRequired = "key-required", UNAUTHORIZED, "A valid API key is required",
        "Une clé d'API valide est requise : en-tête « Authorization: Bearer cart_… ».";
    /// The key's roles do not open this door, or the tenant is another's.
    AccessDenied = "access-denied", FORBIDDEN, "The key does not allow this",
        "Cette clé ne permet pas cette action, ou pas pour cette entité. La tentative est journalisée.";
    /// Destruction is not possible yet.
    DestructionNotAuthorised = "destruction-not-authorised", FORBIDDEN,
        "Destruction is not authorised until retention exists",
        "La destruction n'est pas autorisée : elle suppose des règles de conservation, un bordereau et un visa. La demande est journalisée.";
    /// There is no such route.
    RouteUnknown = "route-unknown", NOT_FOUND, "There is no such resource",
        "Aucune ressource ne porte cette adresse.";
    /// There is no such tenant.
    TenantUnknown = "tenant-unknown", NOT_FOUND, "There is no such tenant",
        "Cette entité n'existe pas.";
    /// The tenant has no such archive.
    ArchiveUnknown = "archive-unknown", NOT_FOUND, "There is no such archive",
        "Cette entité n'a pas d'archive de cet identifiant.";
    /// The archive has no such file.
    FileUnknown = "file-unknown", NOT_FOUND, "There is no such file",
        "Cette archive n'a pas de fichier de ce rang ou de ce nom.";
    /// The tenant has no such key.
    KeyUnknown = "key-unknown", NOT_FOUND, "There is no such key",
        "Cette entité n'a pas de clé de cet identifiant.";
    /// The log has no such tile, or no seal yet.
    TileUnknown = "tile-unknown", NOT_FOUND, "The log has no such tile",
        "Le journal scellé n'a pas (encore) cette tuile.";
    /// The resource does not know the method.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "The resource does not know this method",
        "Cette ressource ne connaît pas cette méthode.";
    /// The client was silent for too long or too slow within its body.
    BodyTooSlow = "body-too-slow", REQUEST_TIMEOUT, "The body came too slowly",
        "Le corps de la requête est arrivé trop lentement ; rien n'a été conservé.";
    /// Other bytes were deposited under this transfer identifier before.
    TransferConflict = "transfer-conflict", CONFLICT, "This transfer identifier was used for other content",
        "Cet identifiant de transfert a déjà servi pour un autre contenu ; « archive » nomme le versement d'alors.";
    /// The tenant exists already.
    TenantExists = "tenant-exists", CONFLICT, "The tenant exists already",
        "Cette entité existe déjà.";
    /// There is nothing to bundle before the seal has its time-stamp.
    ProofPending = "proof-pending", CONFLICT, "The proof is not complete yet",
        "La preuve n'est pas encore complète : le scellement et l'horodatage suivent le versement de quelques secondes.";
    /// The body is longer than this resource takes.
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "The body is too large",
        "Le corps de la requête dépasse la limite ; « limit » la donne en octets. Rien n'a été conservé.";
    /// The request target is too long.
    TargetTooLong = "target-too-long", URI_TOO_LONG, "The request target is too long",
        "L'adresse demandée est trop longue.";
    /// The range lies beyond the file.
    RangeNotSatisfiable = "range-not-satisfiable", RANGE_NOT_SATISFIABLE, "The range lies beyond the file",
        "L'intervalle demandé est au-delà de la fin du fichier.";
    /// A rule of admission is broken.
    DepositRejected = "deposit-rejected", UNPROCESSABLE_ENTITY, "The deposit breaks a rule of admission",
        "Le versement est rejeté : « rule » nomme la règle enfreinte et « place » l'endroit. Le rejet est journalisé.";
    /// The tenant or the key to create breaks a rule.
    IdentityRejected = "identity-rejected", UNPROCESSABLE_ENTITY, "The tenant or key breaks a rule",
        "L'entité ou la clé demandée enfreint une règle ; « rule » la nomme.";
    /// The request has too many or too long header fields.
    HeadersTooLarge = "headers-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The header fields are too many or too long",
        "La requête a trop d'en-têtes, ou de trop longs.";
    /// An object at rest is not what it must be.
    DamagedAtRest = "damaged-at-rest", INTERNAL_SERVER_ERROR, "An object at rest is damaged",
        "Un objet conservé est altéré ou illisible ; l'exploitant en est averti. Rien d'altéré n'est délivré.";
    /// The index cannot be used.
    IndexUnusable = "index-unusable", INTERNAL_SERVER_ERROR, "The index cannot be used",
        "L'index est inutilisable ; il se reconstruit depuis le stockage. Les archives ne sont pas en cause.";
    /// A defect of the service.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The service has a defect",
        "Une erreur interne est survenue ; « request » permet à l'exploitant de la retrouver.";
    /// Too much is under way.
    Busy = "busy", SERVICE_UNAVAILABLE, "Too much is under way",
        "Le service est trop sollicité ; rien n'a été fait, réessayez un peu plus tard.";
    /// A required site is full.
    StorageFull = "storage-full", SERVICE_UNAVAILABLE, "The storage is full",
        "Le stockage est plein ; rien n'a été fait. L'exploitant doit intervenir.";
    /// A required site cannot be reached.
    StorageUnreachable = "storage-unreachable", SERVICE_UNAVAILABLE, "The storage cannot be reached",
        "Un site de stockage requis est injoignable ; rien n'a été fait, réessayez plus tard.";
    /// The signing key cannot be used.
    SignerUnavailable = "signer-unavailable", SERVICE_UNAVAILABLE, "The signing key cannot be used",
        "La clé de signature est indisponible ; si le versement est déjà enregistré, le même envoi en redonnera l'accusé.";
    /// Writing has stopped until the service is started again.
    RecoveryNeeded = "recovery-needed", SERVICE_UNAVAILABLE, "The service must be started again",
        "Le sort d'une écriture est inconnu : le service s'est arrêté d'écrire et doit redémarrer. Répétez ensuite le même envoi.";
}

impl ProblemKind {
    /// The problem's `type`.
    #[must_use]
    pub fn uri(self) -> String {
        format!("{TYPE_BASE}{}", self.code())
    }

    /// Seconds after which trying again makes sense, where it does.
    fn retry_after(self) -> Option<u32> {
        match self {
            Self::Busy | Self::ProofPending => Some(1),
            Self::StorageUnreachable | Self::SignerUnavailable | Self::RecoveryNeeded => Some(10),
            Self::StorageFull => Some(300),
            _ => None,
        }
    }

    /// Whether the service, not the client, is at fault.
    #[must_use]
    pub fn is_fault(self) -> bool {
        self.status().is_server_error()
    }

    /// Whether the rest of the body will not be read, so that the connection must end.
    fn ends_connection(self) -> bool {
        use ProblemKind::{BodyTooLarge, BodyTooSlow, BodyTruncated, HeadersTooLarge, MultipartMalformed};
        matches!(self, BodyTooLarge | BodyTooSlow | BodyTruncated | HeadersTooLarge | MultipartMalformed)
    }
}

/// One problem: its kind and what varies.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    kind: ProblemKind,
    members: Map<String, Value>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

/// How a problem looks in JSON; members of a kind's own come beside these.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// Stable URI of the kind of problem.
    #[serde(rename = "type")]
    #[schema(format = "uri", example = "https://cartulaire.example/problems/deposit-rejected")]
    pub kind: String,
    /// HTTP status.
    #[schema(example = 422)]
    pub status: u16,
    /// What it is, in English.
    pub title: &'static str,
    /// What it means and what to do, in French.
    pub detail: &'static str,
    /// Name of the rule broken, of rejections.
    #[serde(skip)]
    #[schema(example = "sha256-mismatch")]
    pub rule: Option<String>,
    /// Where in the deposit, of rejections.
    #[serde(skip)]
    #[schema(example = "files[3].sha256")]
    pub place: Option<String>,
    /// What varies with the kind.
    #[serde(flatten)]
    #[schema(ignore)]
    pub members: Map<String, Value>,
}

impl Problem {
    /// A problem of that kind.
    #[must_use]
    pub fn new(kind: ProblemKind) -> Self {
        Self { kind, members: Map::new(), headers: Vec::new() }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// Adds a member of its own.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a header field.
    #[must_use]
    pub fn with_header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A malformed header field, by its name.
    #[must_use]
    pub fn header(field: &str) -> Self {
        Self::new(ProblemKind::HeaderMalformed).with("field", field)
    }

    /// A rule broken at a place of the deposit.
    #[must_use]
    pub fn rejected(rule: &str, place: &str) -> Self {
        Self::new(ProblemKind::DepositRejected).with("rule", rule).with("place", place)
    }

    /// The member of that name, if it is text.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    /// The document as bytes.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let document = ProblemDocument {
            kind: self.kind.uri(),
            status: self.kind.status().as_u16(),
            title: self.kind.title(),
            detail: self.kind.detail(),
            rule: None,
            place: None,
            members: self.members.clone(),
        };
        serde_json::to_vec(&document).expect("a problem's members have text keys and its writer is memory")
    }
}

impl From<ProblemKind> for Problem {
    fn from(kind: ProblemKind) -> Self {
        Self::new(kind)
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        Self::rejected(rejection.rule.name(), &rejection.place)
    }
}

/// The one place where the engine's classes become HTTP. What the operator must know goes to the log, not to the client.
impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        tracing::warn!(%fault, "the engine could not do what a request asked");
        let kind = match fault {
            Fault::Retry(Retry::Busy) => ProblemKind::Busy,
            Fault::Retry(Retry::Full) => ProblemKind::StorageFull,
            Fault::Retry(Retry::Unreachable) => ProblemKind::StorageUnreachable,
            Fault::Retry(Retry::Signer) => ProblemKind::SignerUnavailable,
            Fault::Retry(Retry::Authority) => ProblemKind::ProofPending,
            Fault::Poisoned => ProblemKind::RecoveryNeeded,
            Fault::Damaged(_) => ProblemKind::DamagedAtRest,
            Fault::Index(_) => ProblemKind::IndexUnusable,
        };
        kind.into()
    }
}

impl From<IndexError> for Problem {
    fn from(error: IndexError) -> Self {
        Fault::from(error).into()
    }
}

/// A body that could not be staged: nothing was committed, whatever the site did, so the same deposit may be sent again.
impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Self {
        tracing::warn!(%error, "a body could not be written");
        match error {
            CreateError::Full => ProblemKind::StorageFull.into(),
            CreateError::Unreachable | CreateError::Exists | CreateError::Unknown => {
                ProblemKind::StorageUnreachable.into()
            }
        }
    }
}

impl From<tokio::task::JoinError> for Problem {
    fn from(error: tokio::task::JoinError) -> Self {
        tracing::error!(%error, "a task of a request panicked");
        ProblemKind::Internal.into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status(), self.body()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.kind.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.kind == ProblemKind::KeyRequired {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"cartulaire\""));
        }
        if self.kind.ends_connection() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        headers.extend(self.headers);
        response.extensions_mut().insert(self.kind);
        response
    }
}

/// The reference of every kind, in Markdown: `docs/reference/problems.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(REFERENCE_HEAD);
    for kind in ProblemKind::ALL {
        let status = kind.status().as_u16();
        page += &format!("| `{}` | {status} | {} | {} |\n", kind.code(), kind.title(), kind.detail());
    }
    page
}

const REFERENCE_HEAD: &str = "\
# Problems

Every refusal and fault of the HTTP API is a problem document (RFC 9457, `application/problem+json`). Its `type` is
`https://cartulaire.example/problems/` and the code below; the code never changes its meaning. `title` is English, for
the programmer; `detail` is French, for the clerk whose portal shows it. Both are fixed texts. What varies has members of its own:
`rule`, `place`, `field`, `archive`, `limit`, `line`, `column`, `request`. `Retry-After` comes with what may succeed later.

This page is written by `UPDATE_GOLDENS=1 cargo test -p cartulaire-server --test http`.

| code | status | title | detail |
|---|---|---|---|
";
