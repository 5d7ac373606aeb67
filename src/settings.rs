//! What a person chose once and wants again: the only file that this program keeps.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use greenroom_devices::selection::DeviceSelection;
use serde::{Deserialize, Serialize};

/// What is kept between runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The devices for calls and checks.
    #[serde(default)]
    pub devices: DeviceSelection,
}

/// Why settings cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The system names no folder for them.
    #[error("this system names no folder for settings: HOME is not set")]
    NoFolder,
    /// The file is there and cannot be read.
    #[error("cannot read the settings {}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no settings file.
    #[error("the settings {} are wrong; mend or delete the file", .path.display())]
    Parse {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// The file cannot be written.
    #[error("cannot write the settings {}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Settings {
    /// Where this system keeps them: on Linux `$XDG_CONFIG_HOME/greenroom/settings.toml`, which is
    /// `~/.config` unless set.
    ///
    /// # Errors
    ///
    /// The system names no folder.
    pub fn path() -> Result<PathBuf, SettingsError> {
        use etcetera::BaseStrategy;
        let folders = etcetera::choose_base_strategy();
        folders
            .map(|folders| folders.config_dir().join("greenroom/settings.toml"))
            .map_err(|_no_home| SettingsError::NoFolder)
    }

    /// Reads them; nothing chosen when there is no file.
    ///
    /// # Errors
    ///
    /// The file is there and cannot be read, or is none of ours.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => {
                return Err(SettingsError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        toml::from_str(&text).map_err(|source| SettingsError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// Keeps them. A reader sees the old file or the new one, never half of one.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), SettingsError> {
        self.write(path).map_err(|source| SettingsError::Write {
            path: path.to_owned(),
            source,
        })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(folder)?;
        let text = toml::to_string(self).map_err(io::Error::other)?;
        let new = path.with_extension("toml.new");
        let mut file = fs::File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    }
}

#[cfg(test)]
mod tests {
    use greenroom_devices::selection::DeviceId;

    use super::*;

    #[test]
    fn what_was_chosen_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/settings.toml");
        assert_eq!(Settings::load(&path).unwrap(), Settings::default());
        let mut settings = Settings::default();
        settings.devices.camera = Some(DeviceId::new("usb-1"));
        settings.save(&path).unwrap();
        assert_eq!(Settings::load(&path).unwrap(), settings);
        settings.devices.camera = None;
        settings.save(&path).unwrap();
        assert_eq!(Settings::load(&path).unwrap(), settings);
    }

    #[test]
    fn a_damaged_file_is_named_and_not_overwritten_by_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        fs::write(&path, "devices = 3").unwrap();
        let error = Settings::load(&path).unwrap_err();
        assert!(matches!(error, SettingsError::Parse { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "devices = 3");
    }
}
