//! The session token: a JSON Web Token by which a deployment's own backend says who may join what.
//!
//! Source: RFC 7519 and RFC 7515; HS256 (RFC 7518 §3.2) alone is taken.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::parameter::{ParameterError, Topic};

/// Shortest time a token may be good for, in seconds.
pub const MIN_LIFETIME_S: u64 = 30 * 60;
/// Longest time a token may be good for, in seconds.
pub const MAX_LIFETIME_S: u64 = 48 * 60 * 60;
/// Longest token that is read, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// Longest user key and session key, in characters.
pub const MAX_KEY_CHARS: usize = 36;
/// The clock of who made the token may be so much ahead, in seconds.
const LEEWAY_S: u64 = 10;
/// Shortest secret that tokens are made with, in bytes (RFC 7518 §3.2: as long as the hash).
pub const MIN_SECRET_BYTES: usize = 32;

/// Key and secret of an application. The secret is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct AppKey {
    key: String,
    secret: String,
}

/// A key or secret that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppKeyError {
    /// The key is empty, long, or has characters that a room's name must not have.
    #[error("an app key takes 1 to 64 letters, digits, `-` and `_`, all of ASCII")]
    Key,
    /// The secret is short.
    #[error("the secret of app key {key} has {bytes} bytes; it takes {MIN_SECRET_BYTES} at least")]
    ShortSecret {
        /// The key.
        key: String,
        /// How many bytes it has.
        bytes: usize,
    },
}

impl AppKey {
    /// Key and secret.
    ///
    /// # Errors
    /// When the key holds other characters than letters, digits, `-` and `_`, or the secret is
    /// shorter than [`MIN_SECRET_BYTES`].
    pub fn new(key: &str, secret: &str) -> Result<Self, AppKeyError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if key.is_empty() || key.len() > 64 || !key.chars().all(plain) {
            return Err(AppKeyError::Key);
        }
        if secret.len() < MIN_SECRET_BYTES {
            return Err(AppKeyError::ShortSecret {
                key: key.to_owned(),
                bytes: secret.len(),
            });
        }
        Ok(Self {
            key: key.to_owned(),
            secret: secret.to_owned(),
        })
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The secret.
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppKey")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// Key of the application.
    pub app_key: String,
    /// Topic.
    pub tpc: String,
    /// 1 is a host, 0 a participant.
    pub role_type: u8,
    /// Version of the claims: 1.
    pub version: u8,
    /// When it was made, in seconds since 1970 (UTC).
    pub iat: u64,
    /// When it ends, in seconds since 1970 (UTC).
    pub exp: u64,
    /// Whom the application means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_key: Option<String>,
    /// What the application calls the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_key: Option<String>,
    /// Regions that media may go through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geo_regions: Option<String>,
}

impl Claims {
    /// The topic.
    ///
    /// # Errors
    /// When it breaks the rules of topics.
    pub fn topic(&self) -> Result<Topic, ParameterError> {
        Topic::new(&self.tpc)
    }

    /// Whether the token is of a host.
    pub const fn is_host(&self) -> bool {
        self.role_type == 1
    }
}

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Too long to be read.
    #[error("the token has {bytes} bytes; {MAX_TOKEN_BYTES} at most are read")]
    Long {
        /// How many it has.
        bytes: usize,
    },
    /// Not three parts of base64url with JSON in them.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// Not HS256.
    #[error("the token is signed by {0:?}; HS256 alone is taken")]
    Algorithm(String),
    /// The key of the application is not known.
    #[error("the token's app_key is not one of this server")]
    UnknownAppKey,
    /// The signature is not that of the application's secret.
    #[error("the token's signature is wrong: another secret made it, or it was changed")]
    Signature,
    /// A claim stands there twice.
    #[error("the token says {0} more than once")]
    Duplicate(&'static str),
    /// A claim is missing.
    #[error("the token has no claim {0}")]
    Missing(&'static str),
    /// A claim has another type than it must have.
    #[error("the token's claim {claim} must be {expected}")]
    Type {
        /// Which claim.
        claim: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A claim has a value that is not taken.
    #[error("the token's claim {claim} must be {expected}")]
    Value {
        /// Which claim.
        claim: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The topic breaks the rules of topics.
    #[error("the token's claim tpc is no topic: {0}")]
    Topic(#[from] ParameterError),
    /// It is good for a shorter or longer time than tokens may be.
    #[error("the token is good for {lifetime_s} s; 30 minutes to 48 hours are taken")]
    Lifetime {
        /// From `iat` to `exp`; negative when it ends before it was made.
        lifetime_s: i64,
    },
    /// It has expired.
    #[error("the token expired {ago_s} s ago; ask the application for a new one")]
    Expired {
        /// How long ago.
        ago_s: u64,
    },
    /// It is of the future.
    #[error("the token will be valid in {in_s} s; does the clock of who made it go right?")]
    NotYetValid {
        /// In how long.
        in_s: u64,
    },
}

/// A token that is good, and by what it is told from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// Its topic, as it is compared.
    pub topic: Topic,
    /// SHA-256 of the token.
    pub fingerprint: [u8; 32],
}

/// Makes a token.
///
/// # Errors
/// When the claims would not be taken by [`verify`] at the time of `iat`.
pub fn mint(app: &AppKey, claims: &Claims) -> Result<String, TokenError> {
    let header = Header::new(Algorithm::HS256);
    let key = EncodingKey::from_secret(app.secret.as_bytes());
    let token = jsonwebtoken::encode(&header, claims, &key)
        .map_err(|_error| TokenError::Malformed("its claims cannot be written"))?;
    verify(&token, std::slice::from_ref(app), claims.iat)?;
    Ok(token)
}

/// Reads a token that somebody shows, at `now_unix_s`.
///
/// The signature is looked at before anything else that the token says, but for the key by which
/// it is looked at.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify(token: &str, apps: &[AppKey], now_unix_s: u64) -> Result<Verified, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Long { bytes: token.len() });
    }
    let mut parts = token.split('.');
    let (Some(header), Some(body), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Malformed("it has not three parts"));
    };
    check_algorithm(header)?;
    let body = decode(body)?;
    let claims: RawClaims = serde_json::from_slice(&body).map_err(|error| body_error(&error))?;
    let app = claims.application(apps)?;
    let signed = token.len() - signature.len() - 1;
    check_signature(app, &token[..signed], signature)?;
    let claims = claims.typed()?;
    let topic = claims.topic()?;
    check_times(&claims, now_unix_s)?;
    Ok(Verified {
        claims,
        topic,
        fingerprint: Sha256::digest(token.as_bytes()).into(),
    })
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_error| TokenError::Malformed("a part is not base64url"))
}

fn check_algorithm(header: &str) -> Result<(), TokenError> {
    #[derive(Deserialize)]
    struct RawHeader {
        alg: String,
        /// Extensions that must be understood (RFC 7515 §4.1.11); none is.
        crit: Option<Value>,
    }
    let header: RawHeader = serde_json::from_slice(&decode(header)?)
        .map_err(|_error| TokenError::Malformed("its header is no JSON with `alg`"))?;
    if header.alg != "HS256" {
        let shown = header.alg.chars().take(16).collect();
        return Err(TokenError::Algorithm(shown));
    }
    if header.crit.is_some() {
        return Err(TokenError::Malformed("its header asks for extensions"));
    }
    Ok(())
}

fn check_signature(app: &AppKey, signed: &str, signature: &str) -> Result<(), TokenError> {
    let key = DecodingKey::from_secret(app.secret.as_bytes());
    let good = jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key, Algorithm::HS256);
    match good {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(TokenError::Signature),
    }
}

fn check_times(claims: &Claims, now: u64) -> Result<(), TokenError> {
    let lifetime_s = i128::from(claims.exp) - i128::from(claims.iat);
    if !(i128::from(MIN_LIFETIME_S)..=i128::from(MAX_LIFETIME_S)).contains(&lifetime_s) {
        let lifetime_s = i64::try_from(lifetime_s).unwrap_or(i64::MAX);
        return Err(TokenError::Lifetime { lifetime_s });
    }
    if claims.exp <= now {
        let ago_s = now - claims.exp;
        return Err(TokenError::Expired { ago_s });
    }
    if claims.iat > now.saturating_add(LEEWAY_S) {
        let in_s = claims.iat - now;
        return Err(TokenError::NotYetValid { in_s });
    }
    Ok(())
}

/// Names of all claims, for errors that a library words.
const CLAIMS: [&str; 9] = [
    "app_key",
    "tpc",
    "role_type",
    "version",
    "iat",
    "exp",
    "user_key",
    "session_key",
    "geo_regions",
];

/// The claims as they stand there, each of any type.
#[derive(Deserialize)]
struct RawClaims {
    app_key: Option<Value>,
    tpc: Option<Value>,
    role_type: Option<Value>,
    version: Option<Value>,
    iat: Option<Value>,
    exp: Option<Value>,
    user_key: Option<Value>,
    session_key: Option<Value>,
    geo_regions: Option<Value>,
}

fn body_error(error: &serde_json::Error) -> TokenError {
    let words = error.to_string();
    if let Some(rest) = words.strip_prefix("duplicate field `")
        && let Some(claim) = CLAIMS.into_iter().find(|claim| rest.starts_with(*claim))
    {
        return TokenError::Duplicate(claim);
    }
    TokenError::Malformed("its claims are no JSON object")
}

impl RawClaims {
    fn application<'a>(&self, apps: &'a [AppKey]) -> Result<&'a AppKey, TokenError> {
        let key = text("app_key", self.app_key.clone())?.ok_or(TokenError::Missing("app_key"))?;
        let found = apps.iter().find(|app| app.key == key);
        found.ok_or(TokenError::UnknownAppKey)
    }

    fn typed(self) -> Result<Claims, TokenError> {
        let claims = Claims {
            app_key: text("app_key", self.app_key)?.ok_or(TokenError::Missing("app_key"))?,
            tpc: text("tpc", self.tpc)?.ok_or(TokenError::Missing("tpc"))?,
            role_type: small("role_type", self.role_type, "the number 0 or 1", 0..=1)?,
            version: small("version", self.version, "the number 1", 1..=1)?,
            iat: seconds("iat", self.iat)?,
            exp: seconds("exp", self.exp)?,
            user_key: key("user_key", self.user_key)?,
            session_key: key("session_key", self.session_key)?,
            geo_regions: text("geo_regions", self.geo_regions)?,
        };
        Ok(claims)
    }
}

fn text(claim: &'static str, value: Option<Value>) -> Result<Option<String>, TokenError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenError::Type {
            claim,
            expected: "a text",
        }),
    }
}

/// A key of the application's own: never empty, since an empty one would make all users one.
fn key(claim: &'static str, value: Option<Value>) -> Result<Option<String>, TokenError> {
    let key = text(claim, value)?;
    let fits = |key: &String| {
        (1..=MAX_KEY_CHARS).contains(&key.chars().count()) && !key.chars().any(char::is_control)
    };
    if key.as_ref().is_some_and(|key| !fits(key)) {
        return Err(TokenError::Value {
            claim,
            expected: "a text of 1 to 36 characters, none of them a control character",
        });
    }
    Ok(key)
}

fn small(
    claim: &'static str,
    value: Option<Value>,
    expected: &'static str,
    range: std::ops::RangeInclusive<u8>,
) -> Result<u8, TokenError> {
    let value = value.ok_or(TokenError::Missing(claim))?;
    if !value.is_number() {
        return Err(TokenError::Type { claim, expected });
    }
    value
        .as_u64()
        .and_then(|number| u8::try_from(number).ok())
        .filter(|number| range.contains(number))
        .ok_or(TokenError::Value { claim, expected })
}

fn seconds(claim: &'static str, value: Option<Value>) -> Result<u64, TokenError> {
    let value = value.ok_or(TokenError::Missing(claim))?;
    value.as_u64().ok_or(TokenError::Type {
        claim,
        expected: "a whole number of seconds since 1970",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const NOW: u64 = 1_800_000_000;

    fn app() -> AppKey {
        AppKey::new("trial", "0123456789abcdef0123456789abcdef").unwrap()
    }

    fn claims() -> Claims {
        Claims {
            app_key: "trial".to_owned(),
            tpc: "Stand-Up".to_owned(),
            role_type: 1,
            version: 1,
            iat: NOW,
            exp: NOW + 3600,
            user_key: Some("alice".to_owned()),
            session_key: None,
            geo_regions: None,
        }
    }

    /// A token whose parts are what they are, signed rightly.
    fn signed(header: &Value, body: &str) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let message = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(body.as_bytes())
        );
        let key = EncodingKey::from_secret(app().secret().as_bytes());
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }

    fn with(
        change: impl FnOnce(&mut serde_json::Map<String, Value>),
    ) -> Result<Verified, TokenError> {
        let mut body = serde_json::to_value(claims()).unwrap();
        change(body.as_object_mut().unwrap());
        let token = signed(&json!({"alg": "HS256"}), &body.to_string());
        verify(&token, &[app()], NOW)
    }

    #[test]
    fn s71_a_minted_token_is_taken() {
        let token = mint(&app(), &claims()).unwrap();
        let verified = verify(&token, &[app()], NOW + 3599).unwrap();
        assert_eq!(verified.claims, claims());
        assert_eq!(verified.topic.key(), "stand-up");
    }

    /// By `openssl dgst -sha256 -hmac`, so that not only our own library agrees.
    #[test]
    fn s71_signature_is_the_one_that_openssl_makes() {
        let token = signed(&json!({"alg": "HS256"}), "{}");
        assert_eq!(
            token,
            "eyJhbGciOiJIUzI1NiJ9.e30.x68P15GCa1HmSDdw4rVLsw6ZdUMyLZHfITcI3kWE3Eg"
        );
    }

    #[test]
    fn s71_other_algorithms_are_refused() {
        let body = serde_json::to_string(&claims()).unwrap();
        for alg in ["none", "None", "RS256", "HS384", "HS512", "ES256", ""] {
            let token = signed(&json!({"alg": alg}), &body);
            assert_eq!(
                verify(&token, &[app()], NOW),
                Err(TokenError::Algorithm(alg.to_owned()))
            );
            let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
            assert_eq!(
                verify(&unsigned, &[app()], NOW),
                Err(TokenError::Algorithm(alg.to_owned()))
            );
        }
        let token = signed(&json!({"alg": "HS256", "crit": ["b64"]}), &body);
        assert!(matches!(
            verify(&token, &[app()], NOW),
            Err(TokenError::Malformed(_))
        ));
    }

    #[test]
    fn s71_a_wrong_key_is_told() {
        let other = AppKey::new("trial", "another secret of more than 32 bytes!").unwrap();
        let token = mint(&other, &claims()).unwrap();
        assert_eq!(verify(&token, &[app()], NOW), Err(TokenError::Signature));
        let unknown = AppKey::new("other", app().secret()).unwrap();
        assert_eq!(
            verify(&mint(&app(), &claims()).unwrap(), &[unknown], NOW),
            Err(TokenError::UnknownAppKey)
        );
    }

    #[test]
    fn s71_a_changed_token_is_told() {
        let token = mint(&app(), &claims()).unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = message.split_once('.').unwrap();
        let mut forged = claims();
        forged.exp += 1;
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_string(&forged).unwrap());
        for forged in [
            format!("{header}.{body}.{signature}"),
            format!("{message}."),
            format!("{message}.!"),
        ] {
            assert_eq!(verify(&forged, &[app()], NOW), Err(TokenError::Signature));
        }
    }

    #[test]
    fn s71_times() {
        let token = mint(&app(), &claims()).unwrap();
        let apps = [app()];
        assert_eq!(
            verify(&token, &apps, NOW + 3600),
            Err(TokenError::Expired { ago_s: 0 })
        );
        assert_eq!(
            verify(&token, &apps, NOW - 11),
            Err(TokenError::NotYetValid { in_s: 11 })
        );
        verify(&token, &apps, NOW - 10).unwrap();
        for (lifetime, good) in [
            (0, false),
            (1799, false),
            (1800, true),
            (172_800, true),
            (172_801, false),
        ] {
            let result = with(|body| {
                body.insert("exp".into(), json!(NOW + lifetime));
            });
            assert_eq!(result.is_ok(), good, "{lifetime}");
        }
        for (iat, exp) in [(NOW, 0), (0, u64::MAX), (u64::MAX, u64::MAX), (u64::MAX, 0)] {
            let result = with(|body| {
                body.insert("iat".into(), json!(iat));
                body.insert("exp".into(), json!(exp));
            });
            assert!(
                matches!(result, Err(TokenError::Lifetime { .. })),
                "{result:?}"
            );
        }
    }

    #[test]
    fn s71_a_missing_claim_is_named() {
        for claim in ["app_key", "tpc", "role_type", "version", "iat", "exp"] {
            let result = with(|body| {
                body.remove(claim);
            });
            assert_eq!(result, Err(TokenError::Missing(claim)));
        }
        with(|body| {
            body.remove("user_key");
        })
        .unwrap();
    }

    #[test]
    fn s71_a_wrong_type_is_named() {
        let wrong = [
            ("app_key", json!(1)),
            ("tpc", json!(["a"])),
            ("role_type", json!("1")),
            ("role_type", json!(true)),
            ("version", json!("1")),
            ("iat", json!("yesterday")),
            ("iat", json!(-1)),
            ("exp", json!(1.5)),
            ("user_key", json!(7)),
            ("session_key", json!({})),
            ("geo_regions", json!([])),
        ];
        for (claim, value) in wrong {
            let result = with(|body| {
                body.insert(claim.into(), value.clone());
            });
            assert!(
                matches!(result, Err(TokenError::Type { claim: named, .. }) if named == claim),
                "{claim} {value}: {result:?}"
            );
        }
    }

    #[test]
    fn s71_a_value_that_is_not_taken_is_named() {
        let wrong = [
            ("role_type", json!(2)),
            ("role_type", json!(-1)),
            ("role_type", json!(0.5)),
            ("version", json!(2)),
            ("user_key", json!("")),
            ("user_key", json!("é".repeat(37))),
            ("session_key", json!("x".repeat(37))),
            ("user_key", json!("a\u{1b}[2J")),
        ];
        for (claim, value) in wrong {
            let result = with(|body| {
                body.insert(claim.into(), value.clone());
            });
            assert!(
                matches!(result, Err(TokenError::Value { claim: named, .. }) if named == claim),
                "{claim} {value}: {result:?}"
            );
        }
        with(|body| {
            body.insert("user_key".into(), json!("é".repeat(36)));
        })
        .unwrap();
    }

    #[test]
    fn s71_a_claim_that_stands_twice_is_named() {
        let body = serde_json::to_string(&claims()).unwrap();
        for claim in CLAIMS {
            let mut twice = body.trim_end_matches('}').to_owned();
            let more = format!(r#","{claim}":0,"{claim}":0}}"#);
            twice.push_str(&more);
            let token = signed(&json!({"alg": "HS256"}), &twice);
            assert_eq!(
                verify(&token, &[app()], NOW),
                Err(TokenError::Duplicate(claim)),
                "{claim}"
            );
        }
    }

    #[test]
    fn s71_64_kib_are_not_read() {
        let token = "a".repeat(64 * 1024);
        assert_eq!(
            verify(&token, &[app()], NOW),
            Err(TokenError::Long { bytes: 65_536 })
        );
    }

    #[test]
    fn a_topic_that_breaks_its_rules_is_told() {
        let result = with(|body| {
            body.insert("tpc".into(), json!("a/b"));
        });
        assert!(matches!(result, Err(TokenError::Topic(_))));
    }

    #[test]
    fn mint_refuses_what_would_not_be_taken() {
        let mut short = claims();
        short.exp = short.iat + 60;
        assert_eq!(
            mint(&app(), &short),
            Err(TokenError::Lifetime { lifetime_s: 60 })
        );
    }

    #[test]
    fn app_key_rules() {
        assert_eq!(AppKey::new("a/b", &"x".repeat(32)), Err(AppKeyError::Key));
        assert!(matches!(
            AppKey::new("a", "short"),
            Err(AppKeyError::ShortSecret { bytes: 5, .. })
        ));
        assert!(!format!("{:?}", app()).contains(app().secret()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}", parts in prop::collection::vec("[A-Za-z0-9_-]{0,40}", 0..5)) {
            prop_assert!(verify(&text, &[app()], NOW).is_err());
            prop_assert!(verify(&parts.join("."), &[app()], NOW).is_err());
        }
    }
}
