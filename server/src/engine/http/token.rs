//! The token of a request.

use axum::http::{HeaderMap, Uri, header::AUTHORIZATION};
use greenroom_protocol::livekit::grants::{self, Grants, TokenError};
use url::form_urlencoded;

use crate::{clock, engine::config::EngineConfig};

/// What a request's query says, by name; the first of a name counts.
pub(super) fn query_value(uri: &Uri, name: &str) -> Option<String> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// What the bearer of a request may do. A token in the `Authorization` header goes before one in
/// the query, where browsers have to put it.
pub(super) fn grants_of(
    config: &EngineConfig,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Grants, Unauthenticated> {
    let header = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned());
    let token = header.or_else(|| query_value(uri, "access_token"));
    let token = token.ok_or(Unauthenticated::NoToken)?;
    let verified = grants::verify(&token, &config.keys, clock::unix_time())?;
    Ok(verified.grants)
}

/// Why a request comes from nobody known.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unauthenticated {
    #[error("the request carries no token (access_token, or Authorization: Bearer)")]
    NoToken,
    #[error("{0}")]
    Token(#[from] TokenError),
}
