//! The device nodes, by what files say of them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Nodes beyond are not looked at: the kernel has 256 at the most.
const MAX_NODES: usize = 256;

/// Where the files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Roots {
    /// `/dev`
    pub(super) dev: PathBuf,
    /// `/sys/class/video4linux`
    pub(super) sys: PathBuf,
    /// `/proc`
    pub(super) proc: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            dev: "/dev".into(),
            sys: "/sys/class/video4linux".into(),
            proc: "/proc".into(),
        }
    }
}

/// A node such as `/dev/video0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) path: PathBuf,
    pub(super) number: u32,
    /// The driver's name for it; `None` where it is not told, or no UTF-8: drivers cut names in the
    /// middle of a character.
    pub(super) name: Option<String>,
    /// Whether the driver's name is UTF-8.
    pub(super) has_clean_name: bool,
    /// Which of the device's nodes it is; a USB camera's second one is for metadata.
    pub(super) index: u32,
    /// Names that lead to it, the most stable first: by maker, model and serial number, then by the
    /// socket it is plugged in.
    pub(super) links: Vec<String>,
}

impl Node {
    /// Its name, else its path.
    pub(super) fn label(&self) -> String {
        let path = || self.path.display().to_string();
        self.name.clone().unwrap_or_else(path)
    }
}

/// All nodes, by their number.
///
/// # Errors
///
/// When the folder cannot be read. That it is not there is no error: there are none then.
pub(super) fn nodes(roots: &Roots) -> io::Result<Vec<Node>> {
    let links = Links::read(&roots.dev);
    let mut nodes: Vec<Node> = numbers(&roots.dev)?
        .into_iter()
        .map(|number| read_node(roots, number, &links))
        .collect();
    nodes.sort_by_key(|node| node.number);
    nodes.truncate(MAX_NODES);
    Ok(nodes)
}

/// Differs when a node comes, goes, gets other permissions or another stable name.
pub(super) fn fingerprint(roots: &Roots) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut numbers = numbers(&roots.dev).unwrap_or_default();
    numbers.sort_unstable();
    for number in numbers {
        let metadata = fs::metadata(roots.dev.join(format!("video{number}")));
        let state = metadata
            .ok()
            .map(|m| (m.rdev(), m.mode(), m.uid(), m.gid(), m.ino()));
        (number, state).hash(&mut hasher);
    }
    Links::read(&roots.dev).0.hash(&mut hasher);
    hasher.finish()
}

fn numbers(dev: &Path) -> io::Result<Vec<u32>> {
    let entries = match fs::read_dir(dev) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    Ok(names.filter_map(|name| number(&name)).collect())
}

/// 7 of `video7`.
fn number(name: &OsStr) -> Option<u32> {
    let digits = name.to_str()?.strip_prefix("video")?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

fn read_node(roots: &Roots, number: u32, links: &Links) -> Node {
    let sys = roots.sys.join(format!("video{number}"));
    let name = fs::read(sys.join("name")).ok();
    let text = name.map(String::from_utf8);
    let has_clean_name = !matches!(text, Some(Err(_)));
    let index = fs::read_to_string(sys.join("index")).ok();
    let index = index.and_then(|index| index.trim().parse().ok());
    Node {
        path: roots.dev.join(format!("video{number}")),
        number,
        name: text.and_then(readable),
        has_clean_name,
        index: index.unwrap_or(0),
        links: links.to(number),
    }
}

fn readable(name: Result<String, std::string::FromUtf8Error>) -> Option<String> {
    let name = match name {
        Ok(name) => name,
        Err(cut) => String::from_utf8_lossy(cut.as_bytes())
            .trim_end()
            .trim_end_matches(char::REPLACEMENT_CHARACTER)
            .to_owned(),
    };
    Some(tidy(&name)).filter(|name| !name.is_empty())
}

/// `uvcvideo` calls a camera `Model: Model`.
pub(super) fn tidy(name: &str) -> String {
    let name = name.trim().trim_end_matches('\0');
    match name.split_once(": ") {
        // The second half may be cut, since the name has 31 bytes at the most.
        Some((model, again)) if !again.is_empty() && model.starts_with(again) => model.to_owned(),
        _ => name.to_owned(),
    }
}

/// Which stable names lead to which node.
struct Links(BTreeMap<u32, Vec<String>>);

impl Links {
    fn read(dev: &Path) -> Self {
        let mut links = BTreeMap::new();
        for folder in ["by-id", "by-path"] {
            let entries = fs::read_dir(dev.join("v4l").join(folder));
            let mut entries: Vec<_> = entries.into_iter().flatten().flatten().collect();
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                let target = fs::read_link(entry.path()).ok();
                let target = target.as_deref().and_then(Path::file_name).and_then(number);
                let name = entry.file_name().into_string().ok();
                if let (Some(target), Some(name)) = (target, name) {
                    let links: &mut Vec<String> = links.entry(target).or_default();
                    links.push(format!("{folder}/{name}"));
                }
            }
        }
        Self(links)
    }

    fn to(&self, number: u32) -> Vec<String> {
        self.0.get(&number).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn machine() -> (tempfile::TempDir, Roots) {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots {
            dev: dir.path().join("dev"),
            sys: dir.path().join("sys"),
            proc: dir.path().join("proc"),
        };
        fs::create_dir_all(&roots.dev).unwrap();
        (dir, roots)
    }

    fn add(roots: &Roots, number: u32, name: &[u8], index: u32) {
        fs::write(roots.dev.join(format!("video{number}")), "").unwrap();
        let sys = roots.sys.join(format!("video{number}"));
        fs::create_dir_all(&sys).unwrap();
        fs::write(sys.join("name"), name).unwrap();
        fs::write(sys.join("index"), format!("{index}\n")).unwrap();
    }

    fn link(roots: &Roots, folder: &str, name: &str, number: u32) {
        let folder = roots.dev.join("v4l").join(folder);
        fs::create_dir_all(&folder).unwrap();
        symlink(format!("../../video{number}"), folder.join(name)).unwrap();
    }

    #[test]
    fn nodes_come_by_number_and_nothing_else_does() {
        let (_dir, roots) = machine();
        add(&roots, 10, b"Ten\n", 0);
        add(&roots, 2, b"Two\n", 1);
        for other in ["video", "video-rear", "video+1", "vbi0", "videodev"] {
            fs::write(roots.dev.join(other), "").unwrap();
        }
        let found = nodes(&roots).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|n| (n.number, n.label(), n.index))
            .collect();
        assert_eq!(found, [(2, "Two".to_owned(), 1), (10, "Ten".to_owned(), 0)]);
    }

    #[test]
    fn without_a_folder_there_are_no_nodes() {
        let (_dir, mut roots) = machine();
        roots.dev = roots.dev.join("missing");
        assert_eq!(nodes(&roots).unwrap(), []);
    }

    #[test]
    fn a_name_that_is_cut_in_a_character_is_readable() {
        let (_dir, roots) = machine();
        add(&roots, 0, &"ウェブカメラウェブカメラ".as_bytes()[..31], 0);
        let node = &nodes(&roots).unwrap()[0];
        assert_eq!(node.name.as_deref(), Some("ウェブカメラウェブカ"));
        assert!(!node.has_clean_name);
    }

    #[test]
    fn a_node_that_nothing_is_told_of_has_its_path_as_its_label() {
        let (_dir, roots) = machine();
        fs::write(roots.dev.join("video3"), "").unwrap();
        let node = &nodes(&roots).unwrap()[0];
        assert_eq!(node.label(), roots.dev.join("video3").display().to_string());
        assert!(node.has_clean_name);
    }

    #[test]
    fn the_name_of_uvcvideo_is_said_once() {
        assert_eq!(tidy("Lab UVC Camera: Lab UVC Camera"), "Lab UVC Camera");
        assert_eq!(
            tidy("A Camera of Long Name: A Camera"),
            "A Camera of Long Name"
        );
        assert_eq!(tidy("Integrated Camera: IR"), "Integrated Camera: IR");
        assert_eq!(tidy("Odd: "), "Odd:");
    }

    #[test]
    fn stable_names_lead_to_their_node_the_serial_number_first() {
        let (_dir, roots) = machine();
        add(&roots, 0, b"Cam", 0);
        link(
            &roots,
            "by-path",
            "pci-0000:00:14.0-usb-0:1:1.0-video-index0",
            0,
        );
        link(&roots, "by-id", "usb-Lab_Cam_0001-video-index0", 0);
        link(&roots, "by-id", "usb-Other-video-index0", 4);
        assert_eq!(
            nodes(&roots).unwrap()[0].links,
            [
                "by-id/usb-Lab_Cam_0001-video-index0",
                "by-path/pci-0000:00:14.0-usb-0:1:1.0-video-index0"
            ]
        );
    }

    #[test]
    fn the_fingerprint_differs_after_every_change_that_matters() {
        let (_dir, roots) = machine();
        let mut seen = vec![fingerprint(&roots)];
        add(&roots, 0, b"Cam", 0);
        seen.push(fingerprint(&roots));
        link(&roots, "by-id", "usb-Lab", 0);
        seen.push(fingerprint(&roots));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(roots.dev.join("video0"), mode).unwrap();
        seen.push(fingerprint(&roots));
        fs::remove_file(roots.dev.join("video0")).unwrap();
        seen.push(fingerprint(&roots));
        let mut distinct = seen.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), seen.len(), "{seen:?}");
        assert_eq!(fingerprint(&roots), fingerprint(&roots));
    }
}
