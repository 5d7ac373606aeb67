//! Root runs a part of the tests once more without its rights.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The sandbox sets this; whoever has it is not the first.
const STAGE: &str = "GREENROOM_LAB_STAGE";

/// Trials that touch every kind of privileged operation.
const FILTERS: [&str; 3] = ["packets_cross", "blocked", "disguise"];

/// Gives the TUN device the mode that udev gives it, for this run only: a bare kernel leaves it to root.
const WITHOUT_RIGHTS: &str = r#"
    if [ "$(stat -c %a /dev/net/tun)" != 666 ]; then
        mount -t tmpfs tmpfs /mnt
        mknod -m 666 /mnt/tun c 10 200
        mount --bind /mnt/tun /dev/net/tun
    fi
    exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$@"
"#;

pub(crate) fn repeat() -> Result<(), String> {
    if std::env::var_os(STAGE).is_some() || !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    // A copy, since an ordinary user may not be able to reach the build directory.
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let binary = dir.path().join("topology");
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    std::fs::copy(own, &binary).map_err(|error| error.to_string())?;
    for path in [dir.path(), &binary] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
            .map_err(|error| error.to_string())?;
    }
    FILTERS
        .into_iter()
        .try_for_each(|filter| run_as_nobody(&binary, filter))
}

fn run_as_nobody(binary: &std::path::Path, filter: &str) -> Result<(), String> {
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-ec", WITHOUT_RIGHTS, "sh"])
        .arg(binary)
        .arg(filter)
        .current_dir("/")
        .status()
        .map_err(|error| error.to_string())?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| format!("{filter}: {status}"))
}
