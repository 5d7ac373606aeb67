//! How many files and sockets the process may have open.

/// Lets the process open as many files as the system allows it, since each allocation and connection
/// takes one; a soft limit of 1,024 is common, and meant for programs of long ago. To be called by a
/// program that serves, not by one that only measures.
pub fn raise_open_files() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        if limit.current == limit.maximum {
            return;
        }
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => tracing::debug!(files = ?limit.maximum, "raised the limit of open files"),
            Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
        }
    }
}
