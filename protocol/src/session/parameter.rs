//! Topic, name, passcode and idle timeout: what a join is asked with.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Longest topic, in characters.
pub const MAX_TOPIC_CHARS: usize = 150;
/// Longest user name, in characters; what is beyond is cut off.
pub const MAX_USER_NAME_CHARS: usize = 200;
/// Longest passcode, in characters.
pub const MAX_PASSCODE_CHARS: usize = 10;
/// A session in which one user was alone for so many minutes ends, unless its host said otherwise.
pub const DEFAULT_IDLE_MINUTES: u16 = 40;

/// What a topic may hold beside letters, digits and spaces.
const TOPIC_SYMBOLS: &str = r"!#$%&()+-:;<=.>?@[]^_{}|~,\";

/// A parameter that no session takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// The topic is empty.
    #[error("the topic is empty: it takes 1 to {MAX_TOPIC_CHARS} characters")]
    TopicEmpty,
    /// The topic is too long.
    #[error("the topic has {chars} characters: it takes 1 to {MAX_TOPIC_CHARS}")]
    TopicLong {
        /// How many it has.
        chars: usize,
    },
    /// A character that no topic has.
    #[error(
        "the topic holds {character:?} as its character {position}: letters, digits, spaces and \
         {TOPIC_SYMBOLS} are taken"
    )]
    TopicCharacter {
        /// The character.
        character: char,
        /// Where it stands, counted from 1.
        position: usize,
    },
    /// The passcode is too long.
    #[error("the passcode has {chars} characters: it takes {MAX_PASSCODE_CHARS} at most")]
    PasscodeLong {
        /// How many it has.
        chars: usize,
    },
    /// A character that no passcode has. Which one is not told: messages end up in logs.
    #[error("the passcode's character {position} is not one of printable ASCII")]
    PasscodeCharacter {
        /// Where it stands, counted from 1.
        position: usize,
    },
    /// The passcode is empty; to have none, leave it out.
    #[error("the passcode is empty; leave it out to join without one")]
    PasscodeEmpty,
    /// The idle timeout is zero.
    #[error("an idle timeout of 0 minutes would end the session at once; it takes 1 to 65535")]
    IdleZero,
}

/// What a session is called. Compared without case: two topics are the same session when their
/// [`Topic::key`] is the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Topic(String);

impl Topic {
    /// Reads a topic: 1 to [`MAX_TOPIC_CHARS`] characters, letters and digits of any script with
    /// their marks, spaces, and a few symbols. Kept in normal form C and lower case, which no locale
    /// changes.
    ///
    /// # Errors
    /// Which rule it breaks, and with which character.
    pub fn new(text: &str) -> Result<Self, ParameterError> {
        // Stops early, so that a text of megabytes costs no more than one of 150.
        let chars = text.nfc().take(8 * MAX_TOPIC_CHARS).count();
        match chars {
            0 => return Err(ParameterError::TopicEmpty),
            chars if chars > MAX_TOPIC_CHARS => return Err(ParameterError::TopicLong { chars }),
            _ => {}
        }
        let composed: String = text.nfc().collect();
        for (index, character) in composed.chars().enumerate() {
            if !is_topic_character(character) || (index == 0 && is_combining_mark(character)) {
                let position = index + 1;
                return Err(ParameterError::TopicCharacter {
                    character,
                    position,
                });
            }
        }
        Ok(Self(composed.to_lowercase().nfc().collect()))
    }

    /// A topic as [`Topic::key`] gave it, which may be longer than a typed one: the lower case of some
    /// letters is two characters.
    pub fn from_key(key: &str) -> Option<Self> {
        let fits = key.len() <= 16 * MAX_TOPIC_CHARS && !key.is_empty();
        let kept = fits && key.chars().all(is_topic_character);
        kept.then(|| Self(key.to_owned()))
    }

    /// As it is compared and kept: normal form C, lower case.
    pub fn key(&self) -> &str {
        &self.0
    }
}

/// Scripts such as Devanagari write vowels as marks on a letter, so marks belong to letters.
fn is_topic_character(character: char) -> bool {
    character == ' '
        || character.is_alphanumeric()
        || is_combining_mark(character)
        || TOPIC_SYMBOLS.contains(character)
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a user is called on the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(with = "Option<String>")]
#[serde(from = "Option<String>", into = "Option<String>")]
pub struct UserName(Option<String>);

impl UserName {
    /// The first [`MAX_USER_NAME_CHARS`] characters of `text`; an empty one is no name. Control
    /// characters are left out, since a name is shown on other people's terminals.
    pub fn new(text: &str) -> Self {
        let name: String = text
            .chars()
            .filter(|character| !character.is_control())
            .take(MAX_USER_NAME_CHARS)
            .collect();
        Self((!name.is_empty()).then_some(name))
    }

    /// The name, when there is one.
    pub fn as_deref(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl From<Option<String>> for UserName {
    fn from(text: Option<String>) -> Self {
        Self::new(text.as_deref().unwrap_or_default())
    }
}

impl From<UserName> for Option<String> {
    fn from(name: UserName) -> Self {
        name.0
    }
}

/// What everybody after the first user of a session must know. Never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Passcode(String);

impl Passcode {
    /// Reads a passcode: 1 to [`MAX_PASSCODE_CHARS`] printable ASCII characters.
    ///
    /// # Errors
    /// Which rule it breaks. The text is not in the error.
    pub fn new(text: &str) -> Result<Self, ParameterError> {
        if text.is_empty() {
            return Err(ParameterError::PasscodeEmpty);
        }
        let foreign = |character: char| !(' '..='~').contains(&character);
        if let Some(index) = text.chars().position(foreign) {
            let position = index + 1;
            return Err(ParameterError::PasscodeCharacter { position });
        }
        if text.len() > MAX_PASSCODE_CHARS {
            return Err(ParameterError::PasscodeLong { chars: text.len() });
        }
        Ok(Self(text.to_owned()))
    }

    /// The passcode itself, to be compared in constant time.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Passcode {
    type Error = ParameterError;

    fn try_from(text: String) -> Result<Self, ParameterError> {
        Self::new(&text)
    }
}

impl From<Passcode> for String {
    fn from(passcode: Passcode) -> Self {
        passcode.0
    }
}

impl fmt::Debug for Passcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passcode(..)")
    }
}

/// How long one user may be alone in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(with = "u16")]
#[serde(try_from = "u16", into = "u16")]
pub struct IdleTimeout(u16);

impl IdleTimeout {
    /// So many minutes.
    ///
    /// # Errors
    /// When it is zero.
    pub const fn from_minutes(minutes: u16) -> Result<Self, ParameterError> {
        match minutes {
            0 => Err(ParameterError::IdleZero),
            minutes => Ok(Self(minutes)),
        }
    }

    /// As a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(60 * self.0 as u64)
    }
}

impl Default for IdleTimeout {
    fn default() -> Self {
        Self(DEFAULT_IDLE_MINUTES)
    }
}

impl TryFrom<u16> for IdleTimeout {
    type Error = ParameterError;

    fn try_from(minutes: u16) -> Result<Self, ParameterError> {
        Self::from_minutes(minutes)
    }
}

impl From<IdleTimeout> for u16 {
    fn from(idle: IdleTimeout) -> Self {
        idle.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn s66_topic_has_1_to_150_characters() {
        assert_eq!(Topic::new(""), Err(ParameterError::TopicEmpty));
        for letter in ["a", "ß", "字", "𝔘", "é", "e\u{301}"] {
            Topic::new(&letter.repeat(150)).unwrap();
            assert_eq!(
                Topic::new(&letter.repeat(151)),
                Err(ParameterError::TopicLong { chars: 151 }),
                "{letter}"
            );
        }
        assert!(Topic::new(&"x".repeat(10_000_000)).is_err());
    }

    #[test]
    fn s67_topic_takes_letters_digits_and_spaces_of_any_script() {
        for text in [
            "Weekly 42",
            "Überstunde",
            "周会 三",
            "ежедневка",
            "नमस्ते",
            "สวัสดี",
            "اجتماع",
            "Ελληνικά",
            "שלום",
        ] {
            Topic::new(text).unwrap();
        }
    }

    #[test]
    fn s68_topic_takes_these_symbols_and_names_the_first_other() {
        Topic::new(TOPIC_SYMBOLS).unwrap();
        for character in [
            '/', '"', '\'', '*', '`', '\n', '\0', '\u{200d}', '😀', '\u{301}',
        ] {
            let error = Topic::new(&format!("{character}b")).unwrap_err();
            assert_eq!(
                error,
                ParameterError::TopicCharacter {
                    character,
                    position: 1
                }
            );
            assert!(error.to_string().contains(&format!("{character:?}")));
        }
    }

    #[test]
    fn s69_topic_is_compared_without_case() {
        for (one, other) in [
            ("Stand-Up", "stand-up"),
            ("ÄRGER", "ärger"),
            ("e\u{301}", "É"),
            ("ΣΟΦΟΣ", "σοφος"),
            ("İ", "i\u{307}"),
        ] {
            assert_eq!(Topic::new(one), Topic::new(other), "{one} {other}");
        }
        assert_ne!(Topic::new("a"), Topic::new("a "));
    }

    #[test]
    fn s73_an_empty_name_is_null() {
        let json = serde_json::to_string(&UserName::new("")).unwrap();
        assert_eq!(json, "null");
    }

    #[test]
    fn s74_s75_a_name_is_cut_to_200_characters_not_bytes() {
        for letter in ["a", "é", "字", "😀"] {
            let name = UserName::new(&letter.repeat(5_000));
            assert_eq!(name.as_deref().unwrap().chars().count(), 200);
        }
        let exact = "😀".repeat(200);
        assert_eq!(UserName::new(&exact).as_deref(), Some(exact.as_str()));
    }

    #[test]
    fn a_name_holds_no_escape_sequence() {
        assert_eq!(UserName::new("\u{1b}[2Jeve\n").as_deref(), Some("[2Jeve"));
    }

    #[test]
    fn s79_s80_passcode_has_at_most_10_printable_ascii_characters() {
        Passcode::new(" ~0123456~").unwrap();
        assert_eq!(
            Passcode::new("01234567890"),
            Err(ParameterError::PasscodeLong { chars: 11 })
        );
        for text in ["a\u{7f}", "a\t", "aé", "a字"] {
            assert_eq!(
                Passcode::new(text),
                Err(ParameterError::PasscodeCharacter { position: 2 })
            );
        }
        assert_eq!(Passcode::new(""), Err(ParameterError::PasscodeEmpty));
    }

    #[test]
    fn debug_shows_no_passcode() {
        assert!(!format!("{:?}", Passcode::new("hunter2").unwrap()).contains("hunter2"));
    }

    #[test]
    fn s81_idle_timeout_is_in_minutes_and_40_by_default() {
        assert_eq!(IdleTimeout::default().duration(), Duration::from_mins(40));
        assert_eq!(IdleTimeout::from_minutes(0), Err(ParameterError::IdleZero));
        assert!(serde_json::from_str::<IdleTimeout>("0").is_err());
        assert!(serde_json::from_str::<IdleTimeout>("65536").is_err());
    }

    proptest! {
        #[test]
        fn a_topic_that_was_kept_is_kept_again(text in "\\PC{0,160}") {
            if let Ok(topic) = Topic::new(&text) {
                prop_assert_eq!(Topic::from_key(topic.key()).unwrap(), topic);
            }
        }
    }
}
