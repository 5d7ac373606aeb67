//! Operating system, virtual machine and container.

use greenroom_reports::model::system::Os;

use super::super::root::SystemRoot;

/// Reads name, kernel and what the system runs in.
pub(super) fn read_os(root: &SystemRoot) -> Os {
    Os {
        family: "linux".to_owned(),
        name: distribution(root).unwrap_or_else(|| "Linux".to_owned()),
        kernel: root.text("proc/sys/kernel/osrelease"),
        // The kernel's, where it tells (since 6.1): the program may be built for an older one.
        architecture: root
            .text("proc/sys/kernel/arch")
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        virtualization: virtualization(root),
    }
}

/// `PRETTY_NAME` of `os-release`, else `NAME` and `VERSION_ID`.
fn distribution(root: &SystemRoot) -> Option<String> {
    let text = root
        .text("etc/os-release")
        .or_else(|| root.text("usr/lib/os-release"))?;
    let value = |key: &str| os_release_value(&text, key);
    value("PRETTY_NAME").or_else(|| match (value("NAME")?, value("VERSION_ID")) {
        (name, Some(version)) => Some(format!("{name} {version}")),
        (name, None) => Some(name),
    })
}

/// One value of an `os-release` file, without quotes.
///
/// Source: freedesktop.org os-release(5).
fn os_release_value(text: &str, key: &str) -> Option<String> {
    let line = |line: &str| {
        line.trim()
            .strip_prefix(key)?
            .strip_prefix('=')
            .map(str::to_owned)
    };
    let value = text.lines().find_map(line)?;
    let value = value.trim().trim_matches(['"', '\'']).replace('\\', "");
    (!value.is_empty()).then_some(value)
}

/// `docker`, `kvm` or, where both hold, `docker in kvm`.
fn virtualization(root: &SystemRoot) -> Option<String> {
    match (container(root), machine(root)) {
        (Some(container), Some(machine)) => Some(format!("{container} in {machine}")),
        (container, machine) => container.or(machine),
    }
}

/// The container manager, by the marks that it leaves for this purpose.
///
/// Source: systemd's container interface; Docker's and Podman's marker files.
fn container(root: &SystemRoot) -> Option<String> {
    if let Some(name) = root.text("run/systemd/container") {
        return Some(name);
    }
    [
        ("run/.containerenv", "podman"),
        (".dockerenv", "docker"),
        (".flatpak-info", "flatpak"),
    ]
    .iter()
    .find(|(mark, _)| root.exists(mark))
    .map(|(_, name)| (*name).to_owned())
}

/// The hypervisor, as firmware, kernel or processor name it.
fn machine(root: &SystemRoot) -> Option<String> {
    let named = wsl(root)
        .or_else(|| xen(root))
        .or_else(|| by_firmware(root));
    named.map(str::to_owned).or_else(|| by_processor(root))
}

fn wsl(root: &SystemRoot) -> Option<&'static str> {
    let release = root.text("proc/sys/kernel/osrelease")?.to_lowercase();
    release.contains("microsoft").then_some("wsl")
}

/// A Xen guest; the control domain, which owns the hardware, is none.
fn xen(root: &SystemRoot) -> Option<&'static str> {
    let controls = root
        .text("proc/xen/capabilities")
        .is_some_and(|text| text.contains("control_d"));
    (root.text("sys/hypervisor/type")? == "xen" && !controls).then_some("xen")
}

/// The words that hypervisors put into the DMI tables, as systemd-detect-virt knows them.
const FIRMWARE: [(&str, &str); 12] = [
    ("KVM", "kvm"),
    ("QEMU", "qemu"),
    ("OpenStack", "kvm"),
    ("KubeVirt", "kvm"),
    ("Amazon EC2", "amazon"),
    ("VMware", "vmware"),
    ("VMW", "vmware"),
    ("innotek GmbH", "virtualbox"),
    ("VirtualBox", "virtualbox"),
    ("Parallels", "parallels"),
    ("Apple Virtualization", "apple"),
    ("Google Compute Engine", "google"),
];

fn by_firmware(root: &SystemRoot) -> Option<&'static str> {
    let dmi = |file: &str| root.text(format!("sys/class/dmi/id/{file}"));
    let product = dmi("product_name").unwrap_or_default();
    // Rented machines without a hypervisor carry the vendor's name all the same.
    if product.split('.').next_back() == Some("metal") {
        return None;
    }
    if dmi("sys_vendor").as_deref() == Some("Microsoft Corporation") && product == "Virtual Machine"
    {
        return Some("hyper-v");
    }
    [
        "product_name",
        "sys_vendor",
        "board_vendor",
        "bios_vendor",
        "product_version",
    ]
    .iter()
    .filter_map(|file| dmi(file))
    .find_map(|text| FIRMWARE.iter().find(|(word, _)| text.starts_with(word)))
    .map(|(_, name)| *name)
}

/// A processor says that a hypervisor runs it, without its name; on ARM the device tree names it.
fn by_processor(root: &SystemRoot) -> Option<String> {
    if let Some(name) = root.text("proc/device-tree/hypervisor/compatible") {
        return Some(name.trim_start_matches("linux,").to_owned());
    }
    let text = root.text("proc/cpuinfo")?;
    let flags = text.lines().find(|line| line.starts_with("flags"))?;
    flags
        .split_whitespace()
        .any(|flag| flag == "hypervisor")
        .then(|| "virtual machine".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::super::root::fixture::Fixture;
    use super::*;

    #[test]
    fn name_and_kernel_are_those_of_the_files() {
        let root = Fixture::of(&[
            (
                "etc/os-release",
                "NAME=\"Debian GNU/Linux\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"",
            ),
            ("proc/sys/kernel/osrelease", "6.1.0-31-amd64"),
            ("proc/sys/kernel/arch", "x86_64"),
        ]);
        let os = read_os(&root);
        assert_eq!(os.name, "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(os.kernel.as_deref(), Some("6.1.0-31-amd64"));
        assert_eq!(os.architecture, "x86_64");
        assert_eq!(os.virtualization, None);
    }

    #[test]
    fn a_distribution_without_a_pretty_name_is_put_together() {
        let root = Fixture::of(&[("etc/os-release", "NAME='Alpine Linux'\nVERSION_ID=3.20")]);
        assert_eq!(read_os(&root).name, "Alpine Linux 3.20");
        assert_eq!(read_os(&Fixture::of(&[])).name, "Linux");
    }

    #[test]
    fn a_container_in_a_virtual_machine_is_both() {
        let root = Fixture::of(&[
            (".dockerenv", ""),
            ("sys/class/dmi/id/sys_vendor", "QEMU"),
            (
                "sys/class/dmi/id/product_name",
                "Standard PC (Q35 + ICH9, 2009)",
            ),
        ]);
        assert_eq!(virtualization(&root).as_deref(), Some("docker in qemu"));
    }

    #[test]
    fn each_hypervisor_is_told_by_its_own_mark() {
        let told = |files: &[(&str, &str)]| virtualization(&Fixture::of(files));
        assert_eq!(
            told(&[(
                "proc/sys/kernel/osrelease",
                "5.15.153.1-microsoft-standard-WSL2"
            )])
            .as_deref(),
            Some("wsl")
        );
        assert_eq!(
            told(&[("sys/hypervisor/type", "xen")]).as_deref(),
            Some("xen")
        );
        assert_eq!(
            told(&[
                ("sys/hypervisor/type", "xen"),
                ("proc/xen/capabilities", "control_d")
            ]),
            None
        );
        assert_eq!(
            told(&[(
                "proc/cpuinfo",
                "processor\t: 0\nflags\t\t: fpu hypervisor sse"
            )])
            .as_deref(),
            Some("virtual machine")
        );
        assert_eq!(
            told(&[("run/systemd/container", "lxc")]).as_deref(),
            Some("lxc")
        );
        assert_eq!(
            told(&[("proc/device-tree/hypervisor/compatible", "linux,kvm\0")]).as_deref(),
            Some("kvm")
        );
    }

    #[test]
    fn a_surface_laptop_is_no_virtual_machine() {
        let root = Fixture::of(&[
            ("sys/class/dmi/id/sys_vendor", "Microsoft Corporation"),
            ("sys/class/dmi/id/product_name", "Surface Laptop 4"),
            ("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vmx sse"),
        ]);
        assert_eq!(virtualization(&root), None);
    }
}
