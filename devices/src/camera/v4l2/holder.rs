//! Which program holds a device.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Programs that are named; more would make no sentence.
const MAX_NAMED: usize = 3;

/// The programs that have a node open, other than this one: `cheese`, `cheese and firefox`.
///
/// `None` where the system does not tell: the open files of other users are theirs alone. One that
/// merely looks at the device is among them.
pub(super) fn holders(proc: &Path, node: &Path) -> Option<String> {
    let own = std::process::id().to_string();
    let processes = fs::read_dir(proc).ok()?.flatten();
    let names: BTreeSet<String> = processes
        .filter(|process| {
            let name = process.file_name();
            name.to_str()
                .is_some_and(|name| is_number(name) && name != own)
        })
        .filter(|process| holds(&process.path(), node))
        .filter_map(|process| fs::read_to_string(process.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    let names: Vec<String> = names.into_iter().take(MAX_NAMED).collect();
    (!names.is_empty()).then(|| names.join(" and "))
}

fn is_number(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

fn holds(process: &Path, node: &Path) -> bool {
    let files = fs::read_dir(process.join("fd"));
    let mut files = files.into_iter().flatten().flatten();
    files.any(|file| fs::read_link(file.path()).is_ok_and(|target| target == node))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn add(proc: &Path, id: &str, name: &str, files: &[&str]) {
        let fd = proc.join(id).join("fd");
        fs::create_dir_all(&fd).unwrap();
        fs::write(proc.join(id).join("comm"), format!("{name}\n")).unwrap();
        for (number, file) in files.iter().enumerate() {
            symlink(file, fd.join(number.to_string())).unwrap();
        }
    }

    #[test]
    fn the_programs_that_have_it_open_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let proc = dir.path();
        let node = Path::new("/dev/video0");
        assert_eq!(holders(proc, node), None);
        add(proc, "10", "bash", &["/dev/pts/0", "/dev/video1"]);
        add(proc, "self", "bash", &["/dev/video0"]);
        add(
            proc,
            &std::process::id().to_string(),
            "we",
            &["/dev/video0"],
        );
        assert_eq!(holders(proc, node), None);
        add(proc, "11", "firefox", &["/dev/null", "/dev/video0"]);
        assert_eq!(holders(proc, node).as_deref(), Some("firefox"));
        add(proc, "12", "cheese", &["/dev/video0", "/dev/video0"]);
        add(proc, "13", "firefox", &["/dev/video0"]);
        assert_eq!(holders(proc, node).as_deref(), Some("cheese and firefox"));
    }

    #[test]
    fn a_real_process_is_found_by_its_open_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("held");
        fs::write(&file, "").unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .stdin(fs::File::open(&file).unwrap())
            .spawn()
            .unwrap();
        // The child has it open before it is another program, for a moment under our name.
        let mut found = None;
        for _ in 0..200 {
            found = holders(Path::new("/proc"), &file);
            if found.as_deref() == Some("sleep") {
                break;
            }
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.as_deref(), Some("sleep"));
    }
}
