//! A row of the table.

use std::fmt;

/// What was measured, what it should be, and what it is.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    what: String,
    target: String,
    figure: String,
    passes: Option<bool>,
}

impl Row {
    /// A figure that should meet a target.
    pub(crate) fn judged(
        what: impl Into<String>,
        target: impl Into<String>,
        figure: impl Into<String>,
        passes: bool,
    ) -> Self {
        Self {
            what: what.into(),
            target: target.into(),
            figure: figure.into(),
            passes: Some(passes),
        }
    }

    /// A figure that is told only.
    pub(crate) fn told(what: impl Into<String>, figure: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            target: "none".to_owned(),
            figure: figure.into(),
            passes: None,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.passes {
            Some(true) => "pass",
            Some(false) => "MISS",
            None => "",
        };
        let Self {
            what,
            target,
            figure,
            ..
        } = self;
        write!(f, "| {what} | {target} | {figure} | {verdict} |")
    }
}
