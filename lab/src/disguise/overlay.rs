//! Which mounts make paths look as wanted.
//!
//! A file that exists is covered by a bind mount. One that does not cannot be made, neither in sysfs nor in a directory
//! the user may not write to; then the nearest directory above that does exist is covered by a copy: same symbolic links,
//! bind mounts of its other entries, and the new files.

use std::collections::BTreeMap;
use std::fs::{self, FileType};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::stage::DisguiseConfig;
use crate::error::LabError;

/// The mounts of a disguise, in order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// `(source, target)` of bind mounts, to be made in this order.
    pub(super) binds: Vec<(PathBuf, PathBuf)>,
    stand_ins: BTreeMap<PathBuf, PathBuf>,
}

/// A directory to be covered.
#[derive(Debug, Default)]
struct Cover {
    is_emptied: bool,
    files: Vec<(PathBuf, PathBuf, String)>,
    hidden: Vec<PathBuf>,
}

type Covers = BTreeMap<PathBuf, Cover>;

impl Plan {
    /// Writes the stand-ins into `scratch` and plans the mounts.
    pub(super) fn new(config: &DisguiseConfig, scratch: &Path) -> Result<Self, LabError> {
        let mut plan = Self::default();
        let mut covers = Covers::new();
        for path in &config.emptied {
            let (base, rest) = existing_part(path);
            // One that does not exist is empty enough.
            if rest.as_os_str().is_empty() {
                covers.entry(base).or_default().is_emptied = true;
            }
        }
        for path in &config.absent {
            hide(path, &mut covers);
        }
        for (path, content) in &config.files {
            plan.place(path, content, &mut covers, scratch)?;
        }
        // Deepest first: the copy of a directory above takes the covered ones below along.
        for (n, (base, cover)) in covers.iter().rev().enumerate() {
            plan.cover(base, cover, &scratch.join(format!("cover{n}")))?;
        }
        Ok(plan)
    }

    /// The file that stands in for `path`.
    pub(super) fn stand_in(&self, path: &Path) -> Option<&Path> {
        self.stand_ins.get(path).map(PathBuf::as_path)
    }

    fn place(
        &mut self,
        path: &Path,
        content: &str,
        covers: &mut Covers,
        scratch: &Path,
    ) -> Result<(), LabError> {
        let (base, rest) = existing_part(path);
        if let Some((emptied, cover)) = emptied_above(&base, covers) {
            let rest = base.strip_prefix(&emptied).unwrap_or(&base).join(rest);
            cover
                .files
                .push((path.to_owned(), rest, content.to_owned()));
            return Ok(());
        }
        if rest.as_os_str().is_empty() {
            return self.cover_file(path, base, content, scratch);
        }
        covers
            .entry(base)
            .or_default()
            .files
            .push((path.to_owned(), rest, content.to_owned()));
        Ok(())
    }

    fn cover_file(
        &mut self,
        path: &Path,
        target: PathBuf,
        content: &str,
        scratch: &Path,
    ) -> Result<(), LabError> {
        if target.is_dir() {
            return Err(refused(path, "it is a directory, not a file"));
        }
        let stand_in = scratch.join(format!("file{}", self.binds.len()));
        write(&stand_in, content)?;
        self.stand_ins.insert(path.to_owned(), stand_in.clone());
        self.binds.push((stand_in, target));
        Ok(())
    }

    fn cover(&mut self, base: &Path, cover: &Cover, copy: &Path) -> Result<(), LabError> {
        if base == Path::new("/") || base.starts_with("/proc") {
            return Err(refused(base, "new entries cannot be put in this directory"));
        }
        for (path, rest, content) in &cover.files {
            let stand_in = copy.join(rest);
            write(&stand_in, content)?;
            self.stand_ins.insert(path.clone(), stand_in);
        }
        fs::create_dir_all(copy).map_err(LabError::io(format!("make {}", copy.display())))?;
        if !cover.is_emptied {
            let copied = self.copy_entries(base, cover, copy);
            copied.map_err(LabError::io(format!(
                "copy the entries of {}",
                base.display()
            )))?;
        }
        self.binds.push((copy.to_owned(), base.to_owned()));
        Ok(())
    }

    fn copy_entries(&mut self, base: &Path, cover: &Cover, copy: &Path) -> io::Result<()> {
        for entry in fs::read_dir(base)? {
            let entry = entry?;
            let (original, stand_in) = (entry.path(), copy.join(entry.file_name()));
            // A file given for a dangling link takes the link's place.
            let is_taken = stand_in.symlink_metadata().is_ok();
            if !is_taken && !cover.hidden.contains(&original) {
                self.copy_entry(original, stand_in, entry.file_type()?)?;
            }
        }
        Ok(())
    }

    fn copy_entry(
        &mut self,
        original: PathBuf,
        stand_in: PathBuf,
        kind: FileType,
    ) -> io::Result<()> {
        if kind.is_symlink() {
            return symlink(fs::read_link(original)?, stand_in);
        }
        if kind.is_dir() {
            fs::create_dir(&stand_in)?;
        } else {
            fs::write(&stand_in, "")?;
        }
        self.binds.push((original, stand_in));
        Ok(())
    }
}

fn hide(path: &Path, covers: &mut Covers) {
    // Not resolved itself: hiding a symbolic link hides the link.
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return;
    };
    let (base, rest) = existing_part(parent);
    if rest.as_os_str().is_empty() && base.join(name).symlink_metadata().is_ok() {
        let hidden = base.join(name);
        covers.entry(base).or_default().hidden.push(hidden);
    }
}

/// The deepest existing part of a path, without symbolic links, and the rest.
fn existing_part(path: &Path) -> (PathBuf, PathBuf) {
    let found = path
        .ancestors()
        .find_map(|ancestor| Some((ancestor, fs::canonicalize(ancestor).ok()?)));
    match found {
        Some((ancestor, real)) => (real, path.strip_prefix(ancestor).unwrap_or(path).to_owned()),
        None => (PathBuf::from("/"), path.to_owned()),
    }
}

fn emptied_above<'a>(path: &Path, covers: &'a mut Covers) -> Option<(PathBuf, &'a mut Cover)> {
    let emptied = path
        .ancestors()
        .find(|ancestor| covers.get(*ancestor).is_some_and(|cover| cover.is_emptied))?;
    Some((emptied.to_owned(), covers.get_mut(emptied)?))
}

fn write(path: &Path, content: &str) -> Result<(), LabError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, content))
        .map_err(LabError::io(format!("write {}", path.display())))
}

fn refused(path: &Path, reason: &'static str) -> LabError {
    LabError::Disguise {
        path: path.display().to_string(),
        reason,
    }
}
