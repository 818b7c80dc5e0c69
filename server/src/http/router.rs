//! The routes, and the OpenAPI document that describes exactly these.

use axum::Router;
use axum::http::Request;
use axum::middleware;
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{MEDIA_TYPE, ProblemDocument, ProblemKind};
use super::state::AppState;
use super::{administration, archives, deposit, files, journal, log, operations, proofs, watch};

/// What the document says before the routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Cartulaire",
        description = "Probative electronic archive service: the eight functions of NF Z42-020, receipts, proofs, \
            the Merkle log. Every error is a problem document (RFC 9457); docs/reference/problems.md lists them.",
        license(name = "EUPL-1.2", identifier = "EUPL-1.2")
    ),
    components(schemas(ProblemDocument)),
    modifiers(&Common),
    tags(
        (name = "archives", description = "The eight functions of NF Z42-020"),
        (name = "proofs", description = "Receipts, proofs, bundles"),
        (name = "log", description = "The Merkle log (C2SP tlog-tiles)"),
        (name = "administration", description = "Tenants and keys"),
        (name = "operations", description = "For whoever runs the service")
    )
)]
struct Document;

/// Security and the problems that every route shares.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("cart_<id>_<secret>").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(scheme));
        for kind in ProblemKind::ALL {
            let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name("Problem"))));
            let description = format!("`{}`: {}", kind.code(), kind.title());
            let response = ResponseBuilder::new().description(description).content(MEDIA_TYPE, content);
            components.responses.insert(kind.code().to_owned(), response.build().into());
        }
    }
}

fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(deposit::deposit, archives::list))
        .routes(routes!(archives::count))
        .routes(routes!(archives::metadata, archives::destroy))
        .routes(routes!(archives::check))
        .routes(routes!(files::read_named))
        .routes(routes!(files::read))
        .routes(routes!(journal::of_tenant))
        .routes(routes!(journal::of_archive))
        .routes(routes!(proofs::receipt))
        .routes(routes!(proofs::proof))
        .routes(routes!(proofs::bundle))
        .routes(routes!(administration::create_tenant, administration::list_tenants))
        .routes(routes!(administration::create_key, administration::list_keys))
        .routes(routes!(administration::revoke_key))
        .routes(routes!(log::checkpoint))
        .routes(routes!(log::tile))
        .routes(routes!(operations::front))
        .routes(routes!(operations::openapi_document))
        .routes(routes!(operations::healthy))
        .routes(routes!(operations::ready))
        .routes(routes!(operations::metrics))
}

/// The OpenAPI document of the API.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut document = routes().into_openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document
}

/// The whole API as one service.
pub fn router(state: AppState) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .fallback(|| async { ProblemKind::RouteUnknown.into_response() })
        .method_not_allowed_fallback(|_: Request<axum::body::Body>| async {
            ProblemKind::MethodNotAllowed.into_response()
        })
        .layer(middleware::from_fn_with_state(state.clone(), watch::watch))
        .with_state(state)
}

impl IntoResponse for ProblemKind {
    fn into_response(self) -> axum::response::Response {
        super::problem::Problem::from(self).into_response()
    }
}
