//! Where facts are read from: a root directory and an environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The directory that holds `sys`, `proc`, `etc` and `run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemRoot(PathBuf);

impl Default for SystemRoot {
    /// The machine's own: `/`.
    fn default() -> Self {
        Self::at("/")
    }
}

impl SystemRoot {
    /// The root at this directory.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "only Linux tells its facts in files")
)]
impl SystemRoot {
    /// The full path of a relative one.
    pub(super) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.0.join(relative)
    }

    /// Something is there, and we may know it.
    pub(super) fn exists(&self, relative: impl AsRef<Path>) -> bool {
        self.path(relative).exists()
    }

    /// The text of a file without white space around it; `None` when it cannot be read or is empty.
    pub(super) fn text(&self, relative: impl AsRef<Path>) -> Option<String> {
        let bytes = fs::read(self.path(relative)).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The number that a file consists of.
    pub(super) fn number<T: FromStr>(&self, relative: impl AsRef<Path>) -> Option<T> {
        self.text(relative)?.parse().ok()
    }

    /// The names in a directory, sorted; empty when there is none.
    pub(super) fn entries(&self, relative: impl AsRef<Path>) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(relative)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// The last part of what a link points to.
    pub(super) fn link_name(&self, relative: impl AsRef<Path>) -> Option<String> {
        let target = fs::read_link(self.path(relative)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }
}

/// Environment variables, as a program sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this process; names and values that are no Unicode are left out.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable; `None` when it is not set or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let own = |(name, value): (N, V)| (name.into(), value.into());
        Self(variables.into_iter().map(own).collect())
    }
}

/// A directory of an invented machine, for tests.
#[cfg(test)]
pub(super) mod fixture {
    use std::fs;
    use std::ops::Deref;

    use super::SystemRoot;

    /// Lives as long as its files.
    pub(in crate::system) struct Fixture {
        root: SystemRoot,
        directory: tempfile::TempDir,
    }

    impl Deref for Fixture {
        type Target = SystemRoot;

        fn deref(&self) -> &SystemRoot {
            &self.root
        }
    }

    impl Fixture {
        /// A machine of these files, each with its text.
        pub(in crate::system) fn of(files: &[(&str, &str)]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let root = SystemRoot::at(directory.path());
            let fixture = Self { root, directory };
            for (path, text) in files {
                fixture.write(path, text);
            }
            fixture
        }

        /// Writes a file and the directories above it.
        pub(in crate::system) fn write(&self, path: &str, text: &str) {
            let path = self.directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::Fixture;
    use super::*;

    #[test]
    fn text_is_trimmed_and_absent_when_empty() {
        let root = Fixture::of(&[("a/full", " 42 "), ("a/empty", "")]);
        assert_eq!(root.number("a/full"), Some(42_u32));
        assert_eq!(root.text("a/empty"), None);
        assert_eq!(root.text("a/missing"), None);
        assert_eq!(root.entries("a"), ["empty", "full"]);
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let environment: Environment = [("A", ""), ("B", "x")].into_iter().collect();
        assert_eq!(environment.get("A"), None);
        assert_eq!(environment.get("B"), Some("x"));
    }
}
