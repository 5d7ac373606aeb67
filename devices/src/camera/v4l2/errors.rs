//! What the kernel's error numbers mean for a camera.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::holder::holders;
use super::node::{Node, Roots};
use crate::error::DeviceError;

/// Why something with a camera failed.
pub(super) fn cannot(
    operation: &'static str,
    node: &Node,
    roots: &Roots,
    error: &io::Error,
) -> DeviceError {
    let device = node.label();
    match meaning(error, &node.path) {
        Meaning::Refused => DeviceError::AccessRefused { device },
        Meaning::Busy => DeviceError::Busy {
            by: holders(&roots.proc, &node.path),
            device,
        },
        Meaning::Vanished => DeviceError::Vanished { device },
        Meaning::Failed => DeviceError::Failed {
            operation,
            device,
            why: error.to_string(),
        },
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Refused,
    Busy,
    Vanished,
    Failed,
}

/// A device that is unplugged may give any error; then its node is gone as well.
fn meaning(error: &io::Error, node: &Path) -> Meaning {
    match Errno::from_io_error(error) {
        Some(Errno::ACCESS | Errno::PERM) => Meaning::Refused,
        Some(Errno::BUSY) => Meaning::Busy,
        Some(Errno::NODEV | Errno::NXIO | Errno::NOENT) => Meaning::Vanished,
        _ if !node.exists() => Meaning::Vanished,
        _ => Meaning::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(errno: Errno, node: &Path) -> Meaning {
        meaning(&errno.into(), node)
    }

    #[test]
    fn error_numbers_mean_what_a_person_can_do() {
        let there = Path::new("/");
        assert_eq!(of(Errno::ACCESS, there), Meaning::Refused);
        assert_eq!(of(Errno::PERM, there), Meaning::Refused);
        assert_eq!(of(Errno::BUSY, there), Meaning::Busy);
        assert_eq!(of(Errno::NODEV, there), Meaning::Vanished);
        assert_eq!(of(Errno::IO, there), Meaning::Failed);
        assert_eq!(of(Errno::INVAL, there), Meaning::Failed);
    }

    #[test]
    fn any_error_of_a_node_that_is_gone_means_that_it_went_away() {
        let gone = Path::new("/dev/null/video0");
        assert_eq!(of(Errno::IO, gone), Meaning::Vanished);
        assert_eq!(of(Errno::INVAL, gone), Meaning::Vanished);
        assert_eq!(of(Errno::BUSY, gone), Meaning::Busy);
    }
}
