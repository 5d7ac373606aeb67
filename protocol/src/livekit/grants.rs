//! Access tokens: who may do what, in which room.
//!
//! Source: LiveKit, "Tokens & grants"; RFC 7519 (JSON Web Token), RFC 7515 (its signature). Signed
//! by HMAC-SHA256 alone.

use std::{collections::BTreeMap, fmt, time::Duration};

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, dangerous, errors::ErrorKind,
};
use serde::{Deserialize, Serialize};

use super::proto::{ParticipantPermission, TrackSource};

/// Longest token that is read, in bytes: metadata and attributes travel in it.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// How far the clocks of who signs and who reads may be apart. More lets an expired token in for
/// longer.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// An API key and its secret, with which tokens are signed.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The key's name, which a token carries as its issuer.
    pub key: String,
    secret: String,
}

impl ApiKey {
    /// A key with its secret.
    pub fn new(key: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            secret: secret.into(),
        }
    }

    /// Signs a token that holds from `now` (since 1970, UTC) for `lifetime`.
    ///
    /// # Errors
    /// [`TokenError::Sign`], which only an unsupported platform makes happen.
    pub fn mint(
        &self,
        grants: Grants,
        now: Duration,
        lifetime: Duration,
    ) -> Result<String, TokenError> {
        let claims = Claims {
            iss: self.key.clone(),
            nbf: now.as_secs(),
            exp: now.saturating_add(lifetime).as_secs(),
            grants,
        };
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(|error| {
            TokenError::Sign {
                reason: error.to_string(),
            }
        })
    }
}

/// Without the secret.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What a token says, beside its times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Grants {
    /// The participant's identity, unique in the room; empty in a token that joins nothing.
    #[serde(rename = "sub", skip_serializing_if = "String::is_empty")]
    pub identity: String,
    /// The participant's name, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The participant's metadata.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub metadata: String,
    /// The participant's attributes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// What the bearer may do.
    #[serde(skip_serializing_if = "VideoGrants::is_none")]
    pub video: VideoGrants,
}

impl Grants {
    /// Lets `identity` into `room`.
    pub fn join(room: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            identity: identity.into(),
            video: VideoGrants {
                room: room.into(),
                room_join: true,
                ..VideoGrants::default()
            },
            ..Self::default()
        }
    }

    /// Lets the bearer act upon the participants of `room`.
    pub fn admin(room: impl Into<String>) -> Self {
        Self {
            video: VideoGrants {
                room: room.into(),
                room_admin: true,
                ..VideoGrants::default()
            },
            ..Self::default()
        }
    }
}

/// What the bearer of a token may do.
///
/// A permission that is absent takes LiveKit's default: joining lets one publish and subscribe, but
/// not change one's own metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the claims of a token")]
pub struct VideoGrants {
    /// The room that the grants are about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub room: String,
    /// Joining [`room`](Self::room).
    #[serde(skip_serializing_if = "is_false")]
    pub room_join: bool,
    /// Acting upon the participants of [`room`](Self::room).
    #[serde(skip_serializing_if = "is_false")]
    pub room_admin: bool,
    /// Making and deleting rooms.
    #[serde(skip_serializing_if = "is_false")]
    pub room_create: bool,
    /// Listing rooms.
    #[serde(skip_serializing_if = "is_false")]
    pub room_list: bool,
    /// Publishing tracks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish: Option<bool>,
    /// Subscribing to tracks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe: Option<bool>,
    /// Sending data; absent, whoever may publish may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_data: Option<bool>,
    /// The sources that may be published; empty stands for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub can_publish_sources: Vec<Source>,
    /// Changing one's own name, metadata and attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_update_own_metadata: Option<bool>,
    /// Others do not see the participant.
    #[serde(skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// The participant records the room.
    #[serde(skip_serializing_if = "is_false")]
    pub recorder: bool,
}

impl VideoGrants {
    /// The permissions of a participant who joins with these grants.
    pub fn permission(&self) -> ParticipantPermission {
        let can_publish = self.can_publish.unwrap_or(true);
        #[expect(
            deprecated,
            reason = "other fields of the message are left at their default"
        )]
        ParticipantPermission {
            can_subscribe: self.can_subscribe.unwrap_or(true),
            can_publish,
            can_publish_data: self.can_publish_data.unwrap_or(can_publish),
            can_publish_sources: self
                .can_publish_sources
                .iter()
                .map(|source| TrackSource::from(*source).into())
                .collect(),
            hidden: self.hidden,
            recorder: self.recorder,
            can_update_metadata: self.can_update_own_metadata.unwrap_or(false),
            ..ParticipantPermission::default()
        }
    }

    /// Whether the bearer may act upon the participants of `room`.
    pub fn administers(&self, room: &str) -> bool {
        self.room_admin && self.room == room
    }

    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a track comes from, as a token names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
    /// A shared screen's picture.
    ScreenShare,
    /// A shared screen's sound.
    ScreenShareAudio,
}

impl From<Source> for TrackSource {
    fn from(source: Source) -> Self {
        match source {
            Source::Camera => Self::Camera,
            Source::Microphone => Self::Microphone,
            Source::ScreenShare => Self::ScreenShare,
            Source::ScreenShareAudio => Self::ScreenShareAudio,
        }
    }
}

/// A token that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub grants: Grants,
    /// The API key that signed it.
    pub api_key: String,
    /// When it expires, since 1970 (UTC).
    pub expires: Duration,
}

/// Checks that `token` was signed by one of `keys` and holds at `now` (since 1970, UTC), give or
/// take [`LEEWAY`].
///
/// # Errors
/// Why the token is not believed.
pub fn verify(token: &str, keys: &[ApiKey], now: Duration) -> Result<Verified, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLong { bytes: token.len() });
    }
    let issuer: Issuer = dangerous::insecure_decode_claims(token).map_err(malformed)?;
    let signer = keys
        .iter()
        .find(|key| key.key == issuer.iss)
        .ok_or(TokenError::UnknownKey)?;
    let key = DecodingKey::from_secret(signer.secret.as_bytes());
    let decoded = jsonwebtoken::decode::<Claims>(token, &key, &signature_only());
    let claims = decoded.map_err(malformed)?.claims;
    check_times(&claims, now)?;
    Ok(Verified {
        grants: claims.grants,
        api_key: claims.iss,
        expires: Duration::from_secs(claims.exp),
    })
}

fn check_times(claims: &Claims, now: Duration) -> Result<(), TokenError> {
    let now = now.as_secs();
    let leeway = LEEWAY.as_secs();
    if now >= claims.exp.saturating_add(leeway) {
        return Err(TokenError::Expired {
            seconds_ago: now.saturating_sub(claims.exp),
        });
    }
    if claims.nbf > now.saturating_add(leeway) {
        return Err(TokenError::NotYetValid {
            in_seconds: claims.nbf - now,
        });
    }
    Ok(())
}

/// The library checks the signature; times are compared with the time that the caller gives.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// Why a token is not believed, or not signed. Never names the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is {bytes} bytes long, more than {MAX_TOKEN_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It is no token.
    #[error("the token cannot be read: {reason}")]
    Malformed {
        /// Why.
        reason: String,
    },
    /// Its API key is not one of this server's.
    #[error("the token was issued under an API key that this server does not know")]
    UnknownKey,
    /// It is signed with another algorithm.
    #[error("the token is not signed by HMAC-SHA256 (HS256)")]
    Algorithm,
    /// It is signed with another secret, or was changed.
    #[error("the token's signature does not fit: the API secret differs, or it was changed")]
    Signature,
    /// It has expired.
    #[error("the token expired {seconds_ago} s ago; get a new one, or set the clock right")]
    Expired {
        /// How long ago.
        seconds_ago: u64,
    },
    /// It does not hold yet.
    #[error("the token holds only in {in_seconds} s: the clock of its issuer is ahead of ours")]
    NotYetValid {
        /// How soon.
        in_seconds: u64,
    },
    /// It cannot be signed.
    #[error("cannot sign a token: {reason}")]
    Sign {
        /// Why.
        reason: String,
    },
}

fn malformed(error: jsonwebtoken::errors::Error) -> TokenError {
    match error.into_kind() {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm
        | ErrorKind::InvalidKeyFormat => TokenError::Algorithm,
        // What a token holds may be personal: the place of the fault is told, not the text.
        ErrorKind::Json(error) => TokenError::Malformed {
            reason: format!(
                "its JSON has a fault in line {}, column {}",
                error.line(),
                error.column()
            ),
        },
        ErrorKind::Base64(_) => TokenError::Malformed {
            reason: "it is not in Base64".to_owned(),
        },
        _ => TokenError::Malformed {
            reason: "it is no JSON Web Token".to_owned(),
        },
    }
}

/// The one claim that is read before the signature is checked: it tells which secret to check with.
#[derive(Deserialize)]
struct Issuer {
    #[serde(default)]
    iss: String,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    #[serde(default)]
    nbf: u64,
    exp: u64,
    #[serde(flatten)]
    grants: Grants,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn key() -> ApiKey {
        ApiKey::new("devkey", "a secret of this test, long enough")
    }

    fn host() -> Grants {
        let mut grants = Grants::join("standup", "alice");
        grants.name = "Alice".to_owned();
        grants.attributes = BTreeMap::from([("role".to_owned(), "host".to_owned())]);
        grants.video.can_publish_sources = vec![Source::Microphone, Source::ScreenShare];
        grants
    }

    #[test]
    fn a_token_gives_back_what_was_put_in() {
        let token = key().mint(host(), NOW, HOUR).unwrap();
        let verified = verify(&token, &[ApiKey::new("other", "x"), key()], NOW).unwrap();
        assert_eq!(verified.grants, host());
        assert_eq!(verified.api_key, "devkey");
        assert_eq!(verified.expires, NOW + HOUR);
    }

    #[test]
    fn a_token_holds_for_its_lifetime_and_the_leeway() {
        let token = key().mint(host(), NOW, HOUR).unwrap();
        let at = |time| verify(&token, &[key()], time);
        assert!(at(NOW + HOUR + LEEWAY - Duration::from_secs(1)).is_ok());
        assert_eq!(
            at(NOW + HOUR + LEEWAY).unwrap_err(),
            TokenError::Expired { seconds_ago: 60 }
        );
        assert!(at(NOW - LEEWAY).is_ok());
        assert_eq!(
            at(NOW - LEEWAY - Duration::from_secs(1)).unwrap_err(),
            TokenError::NotYetValid { in_seconds: 61 }
        );
    }

    #[test]
    fn a_token_of_another_secret_or_key_is_refused() {
        let forged = ApiKey::new("devkey", "a guess").mint(host(), NOW, HOUR);
        assert_eq!(
            verify(&forged.unwrap(), &[key()], NOW).unwrap_err(),
            TokenError::Signature
        );
        let foreign = ApiKey::new("nobody", "a guess").mint(host(), NOW, HOUR);
        assert_eq!(
            verify(&foreign.unwrap(), &[key()], NOW).unwrap_err(),
            TokenError::UnknownKey
        );
    }

    #[test]
    fn a_token_without_signature_or_by_another_algorithm_is_refused() {
        // {"alg":"none"}, and {"iss":"devkey","exp":1900000000}
        let claims = "eyJpc3MiOiJkZXZrZXkiLCJleHAiOjE5MDAwMDAwMDB9";
        let unsigned = format!("eyJhbGciOiJub25lIn0.{claims}.");
        assert!(verify(&unsigned, &[key()], NOW).is_err());
        let secret = EncodingKey::from_secret(key().secret.as_bytes());
        let claims = Claims {
            iss: "devkey".to_owned(),
            nbf: 0,
            exp: 1_900_000_000,
            grants: host(),
        };
        let other = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims, &secret);
        assert_eq!(
            verify(&other.unwrap(), &[key()], NOW).unwrap_err(),
            TokenError::Algorithm
        );
    }

    #[test]
    fn what_is_no_token_is_refused_with_words() {
        for text in [
            "",
            "a",
            "a.b",
            "a.b.c",
            "....",
            &"x".repeat(MAX_TOKEN_BYTES + 1),
        ] {
            assert!(verify(text, &[key()], NOW).is_err(), "{text}");
        }
    }

    /// Made by LiveKit's own library: `livekit-api` 1.2.2 from `PyPI`, `AccessToken("devkey",
    /// "secret").with_identity("bob").with_name("Bob").with_grants(VideoGrants(room_join=True,
    /// room="r", can_publish_sources=["camera"])).with_attributes({"role": "manager"})`.
    const OF_LIVEKIT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYW1lIjoiQm9iIiwidmlkZW8iOnsicm9vbUpvaW4iOnRydWUsInJvb20iOiJyIiwiY2FuUHVibGlzaCI6dHJ1ZSwiY2FuU3Vic2NyaWJlIjp0cnVlLCJjYW5QdWJsaXNoRGF0YSI6dHJ1ZSwiY2FuUHVibGlzaFNvdXJjZXMiOlsiY2FtZXJhIl19LCJhdHRyaWJ1dGVzIjp7InJvbGUiOiJtYW5hZ2VyIn0sInN1YiI6ImJvYiIsImlzcyI6ImRldmtleSIsIm5iZiI6MTc5NTU0ODUzMywiZXhwIjoxNzk1NTcwMTMzfQ.Ca2m2MUAl960K49zOrGSXO6qc4cIxVft1ZDeFON4RZg";

    #[test]
    fn a_token_of_livekits_own_library_is_read() {
        let keys = [ApiKey::new("devkey", "a secret of this test, long enough")];
        let claims: Claims = dangerous::insecure_decode_claims(OF_LIVEKIT).unwrap();
        let verified = verify(OF_LIVEKIT, &keys, Duration::from_secs(claims.nbf)).unwrap();
        let mut expected = Grants::join("r", "bob");
        expected.name = "Bob".to_owned();
        expected.attributes = BTreeMap::from([("role".to_owned(), "manager".to_owned())]);
        expected.video.can_publish_sources = vec![Source::Camera];
        expected.video.can_publish = Some(true);
        expected.video.can_subscribe = Some(true);
        expected.video.can_publish_data = Some(true);
        assert_eq!(verified.grants, expected);
    }

    #[test]
    fn who_joins_may_publish_but_not_rename_himself() {
        let permission = Grants::join("r", "bob").video.permission();
        assert!(permission.can_publish && permission.can_subscribe && permission.can_publish_data);
        assert!(!permission.can_update_metadata && !permission.hidden);
        let mute = VideoGrants {
            can_publish: Some(false),
            ..VideoGrants::default()
        };
        assert!(!mute.permission().can_publish_data);
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert!(!format!("{:?}", key()).contains("secret"));
    }
}
