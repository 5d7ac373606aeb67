//! Exit codes of the command line, documented for scripts.

use crate::model::verdict::Answer;

/// The call will work.
pub const READY: u8 = 0;
/// The tool itself failed.
pub const FAILURE: u8 = 1;
/// The command line was wrong.
pub const USAGE: u8 = 2;
/// The call can be joined; something will be worse than good.
pub const LIMITED: u8 = 3;
/// The call cannot be joined.
pub const CANNOT_JOIN: u8 = 4;
/// Something that the profile requires could not be judged.
pub const UNDETERMINED: u8 = 5;
/// Interrupted a second time, before a report could be written.
pub const INTERRUPTED: u8 = 130;

impl Answer {
    /// The exit code for this answer.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Ready => READY,
            Self::Limited => LIMITED,
            Self::CannotJoin => CANNOT_JOIN,
            Self::Undetermined => UNDETERMINED,
        }
    }
}
