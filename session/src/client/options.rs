//! With what a client is initialized, and with what it joins.

use std::fmt;
use std::time::Duration;

use greenroom_protocol::session::message::JoinRequest;
use greenroom_protocol::session::token::MAX_TOKEN_BYTES;
use greenroom_protocol::session::{IdleTimeout, Passcode, Topic, UserName};

use super::error::SessionError;

/// How a client is initialized.
#[derive(Clone, Debug, Default)]
pub struct InitOptions {
    /// The deployment's URL, `https://host`.
    pub endpoint: String,
    /// Language of texts, as BCP 47 tag. Texts are in English; another wish is told as
    /// [`InitNotice::Language`].
    pub language: Option<String>,
    /// Region that media should go through. A server has one; a wish is told as [`InitNotice::Region`].
    pub region: Option<String>,
    /// Keeps this machine awake while in a session.
    pub stay_awake: bool,
    /// Leaves in order when the client is dropped in a session; without it the others see
    /// `reconnecting` until the server gives up.
    pub leave_on_exit: bool,
    /// Authorities to trust beside the system's: contents of PEM files.
    pub authorities: Vec<Vec<u8>>,
}

/// What an initialization found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitReport {
    /// From the call to its end.
    pub elapsed: Duration,
    /// Version of the server.
    pub server_version: String,
    /// What is not as it was asked for.
    pub notices: Vec<InitNotice>,
}

/// Something that is not as it was asked for, and keeps nobody from joining.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InitNotice {
    /// Texts are in English.
    #[error("there are no texts in {0:?}; they are in English")]
    Language(String),
    /// The server decides where media goes.
    #[error("the region {0:?} cannot be chosen: this server has one place")]
    Region(String),
    /// No control connection could be opened ahead; the join opens its own.
    #[error("no connection to session control was opened ahead ({0}); the join will try again")]
    ControlNotReady(String),
    /// No connection for media could be prepared; the join makes its own.
    #[error("no connection for media was prepared ahead ({0}); the join will try again")]
    PublisherNotReady(String),
}

/// With what a session is joined.
#[derive(Clone, Default)]
pub struct JoinOptions {
    /// Name of the session.
    pub topic: String,
    /// Session token.
    pub token: String,
    /// What the user is called; cut to 200 characters, and empty is no name.
    pub user_name: String,
    /// Passcode of the session.
    pub passcode: Option<String>,
    /// How many minutes the host may be alone; 40 unless given.
    pub idle_timeout_minutes: Option<u16>,
}

/// Without token and passcode.
impl fmt::Debug for JoinOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinOptions")
            .field("topic", &self.topic)
            .field("user_name", &self.user_name)
            .field("idle_timeout_minutes", &self.idle_timeout_minutes)
            .finish_non_exhaustive()
    }
}

impl JoinOptions {
    /// Checks what can be checked without the server.
    ///
    /// # Errors
    /// The first parameter that breaks its rule.
    pub fn check(self) -> Result<JoinRequest, SessionError> {
        Topic::new(&self.topic)?;
        let bytes = self.token.len();
        if bytes == 0 || bytes > MAX_TOKEN_BYTES {
            return Err(SessionError::TokenLength { bytes });
        }
        let passcode = self.passcode.as_deref().map(Passcode::new).transpose()?;
        let idle = self.idle_timeout_minutes;
        let idle_timeout_minutes = idle.map(IdleTimeout::from_minutes).transpose()?;
        Ok(JoinRequest {
            topic: self.topic,
            token: self.token,
            user_name: UserName::new(&self.user_name),
            passcode: passcode.map(String::from),
            idle_timeout_minutes,
        })
    }
}

#[cfg(test)]
mod tests {
    use greenroom_protocol::session::ParameterError;

    use super::*;

    fn good() -> JoinOptions {
        JoinOptions {
            topic: "Stand-up 1".to_owned(),
            token: "a.b.c".to_owned(),
            ..JoinOptions::default()
        }
    }

    fn parameter(options: JoinOptions) -> ParameterError {
        match options.check().unwrap_err() {
            SessionError::InvalidParameter(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn s66_s68_a_topic_is_checked_before_anything_is_sent() {
        good().check().unwrap();
        for (topic, error) in [
            (String::new(), ParameterError::TopicEmpty),
            ("x".repeat(151), ParameterError::TopicLong { chars: 151 }),
            (
                "a/b".to_owned(),
                ParameterError::TopicCharacter {
                    character: '/',
                    position: 2,
                },
            ),
        ] {
            assert_eq!(parameter(JoinOptions { topic, ..good() }), error);
        }
    }

    #[test]
    fn s73_s75_a_name_is_cut_and_an_empty_one_is_none() {
        let name = |user_name: String| {
            let options = JoinOptions {
                user_name,
                ..good()
            };
            options.check().unwrap().user_name
        };
        assert_eq!(name(String::new()).as_deref(), None);
        let long = name("é".repeat(300));
        assert_eq!(long.as_deref().unwrap().chars().count(), 200);
    }

    #[test]
    fn s79_s80_a_passcode_is_checked_and_not_repeated() {
        let options = JoinOptions {
            passcode: Some("hunter2hunter2".to_owned()),
            ..good()
        };
        let error = options.clone().check().unwrap_err();
        assert!(!format!("{error} {error:?} {options:?}").contains("hunter2"));
        assert_eq!(
            parameter(options),
            ParameterError::PasscodeLong { chars: 14 }
        );
    }

    #[test]
    fn s81_the_idle_timeout_is_left_to_the_server_unless_given() {
        assert_eq!(good().check().unwrap().idle_timeout_minutes, None);
        let zero = JoinOptions {
            idle_timeout_minutes: Some(0),
            ..good()
        };
        assert_eq!(parameter(zero), ParameterError::IdleZero);
    }

    #[test]
    fn s71_an_empty_or_endless_token_is_not_sent() {
        for token in [String::new(), "x".repeat(MAX_TOKEN_BYTES + 1)] {
            let options = JoinOptions { token, ..good() };
            let error = options.check().unwrap_err();
            assert!(matches!(error, SessionError::TokenLength { .. }));
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let options = JoinOptions {
            token: "s3cret-token".to_owned(),
            passcode: Some("s3cret".to_owned()),
            ..good()
        };
        assert!(!format!("{options:?}").contains("s3cret"));
        assert!(!format!("{:?}", options.check().unwrap()).contains("s3cret"));
    }
}
