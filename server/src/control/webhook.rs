//! Events of a LiveKit cluster, as it posts them.
//!
//! Source: LiveKit, "Webhooks": the body is JSON of `WebhookEvent`, the header `Authorization` a
//! token of the API key whose claim `sha256` is the hash of the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use greenroom_protocol::livekit::proto::{DisconnectReason, WebhookEvent};
use greenroom_protocol::session::Identity;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::engine::EngineEvent;
use super::rooms::seen;
use super::session::Gone;

/// Path to which LiveKit posts.
pub(crate) const WEBHOOK_PATH: &str = "/session/v1/livekit-webhook";

/// Key and secret of the cluster.
#[derive(Clone)]
pub(crate) struct WebhookKey {
    key: String,
    secret: String,
}

impl std::fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookKey")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct WebhookClaims {
    sha256: String,
}

impl WebhookKey {
    /// Key and secret.
    pub(crate) fn new(key: &str, secret: &str) -> Self {
        Self {
            key: key.to_owned(),
            secret: secret.to_owned(),
        }
    }

    /// The room and what happened in it, when the cluster itself posted this; the inner `None` is
    /// something that sessions do not care for.
    ///
    /// # Errors
    /// When it was posted by somebody else, or is no event.
    pub(crate) fn read(
        &self,
        authorization: &str,
        body: &[u8],
    ) -> Result<Option<(String, EngineEvent)>, &'static str> {
        self.check(authorization, body)?;
        let event: WebhookEvent =
            serde_json::from_slice(body).map_err(|_error| "the body is no event of LiveKit")?;
        Ok(translate(event))
    }

    fn check(&self, authorization: &str, body: &[u8]) -> Result<(), &'static str> {
        let token = authorization.trim();
        let token = token.strip_prefix("Bearer ").unwrap_or(token);
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[&self.key]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        let key = DecodingKey::from_secret(self.secret.as_bytes());
        let claims = jsonwebtoken::decode::<WebhookClaims>(token, &key, &validation)
            .map_err(|_error| "the token of the webhook is not good")?
            .claims;
        let told = STANDARD.decode(claims.sha256).unwrap_or_default();
        let hash = Sha256::digest(body);
        if bool::from(told.as_slice().ct_eq(hash.as_slice())) {
            Ok(())
        } else {
            Err("the token is of another body")
        }
    }
}

fn translate(event: WebhookEvent) -> Option<(String, EngineEvent)> {
    let room = event.room?.name;
    let what = match event.event.as_str() {
        "participant_joined" => EngineEvent::Seen(seen(&event.participant?)?),
        "participant_left" | "participant_connection_aborted" => {
            let info = event.participant?;
            let why = match info.disconnect_reason() {
                DisconnectReason::ClientInitiated => Gone::Left,
                _ => Gone::Lost,
            };
            EngineEvent::Gone {
                identity: Identity(info.identity),
                sid: info.sid,
                why,
            }
        }
        // That a room is finished may be told after the next session of the topic began. And of a track,
        // LiveKit tells who announced it only in part. The poll brings both.
        _ => return None,
    };
    Some((room, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    fn signed(secret: &str, body: &[u8], exp: u64) -> String {
        let claims = json!({
            "iss": "key", "exp": exp, "sha256": STANDARD.encode(Sha256::digest(body)),
        });
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
    }

    #[test]
    fn an_event_of_the_cluster_is_read_and_nobody_elses() {
        let body = json!({
            "event": "participant_left",
            "room": { "name": "trial/a" },
            "participant": { "sid": "PA_1", "identity": "user:ann", "disconnectReason": "CLIENT_INITIATED" },
        });
        let body = serde_json::to_vec(&body).unwrap();
        let key = WebhookKey::new("key", "secret");
        let far = 4_000_000_000;
        let (room, event) = key
            .read(&signed("secret", &body, far), &body)
            .unwrap()
            .unwrap();
        assert_eq!(room, "trial/a");
        assert!(matches!(
            event,
            EngineEvent::Gone {
                why: Gone::Left,
                ..
            }
        ));
        for token in [
            signed("other", &body, far),
            signed("secret", b"{}", far),
            signed("secret", &body, 1),
            String::new(),
        ] {
            assert!(key.read(&token, &body).is_err());
        }
    }
}
