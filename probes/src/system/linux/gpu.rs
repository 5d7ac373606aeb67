//! Graphics adapters that the kernel drives.

use greenroom_reports::model::system::Gpu;

use super::super::root::SystemRoot;

/// One adapter for each `cardN` of the kernel's graphics drivers.
pub(super) fn read_gpus(root: &SystemRoot) -> Vec<Gpu> {
    let mut gpus: Vec<Gpu> = Vec::new();
    for card in root.entries("sys/class/drm") {
        let number = card.strip_prefix("card").unwrap_or_default();
        // `card0-HDMI-A-1` is a connector.
        if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
            gpus.extend(read_gpu(root, &format!("sys/class/drm/{card}/device")));
        }
    }
    gpus
}

fn read_gpu(root: &SystemRoot, device: &str) -> Option<Gpu> {
    let uevent = root.text(format!("{device}/uevent")).unwrap_or_default();
    let value = |key: &str| {
        let value = |line: &str| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned);
        uevent.lines().find_map(value)
    };
    let id = |file: &str| {
        let text = root.text(format!("{device}/{file}"))?;
        u16::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    };
    let driver = value("DRIVER").or_else(|| root.link_name(format!("{device}/driver")));
    let (vendor, name) = match (id("vendor"), id("device")) {
        (Some(vendor), Some(product)) => (
            vendor_name(vendor).map_or_else(|| format!("{vendor:04x}"), str::to_owned),
            format!("{vendor:04x}:{product:04x}"),
        ),
        _ => by_device_tree(&value("OF_COMPATIBLE_0").or_else(|| driver.clone())?),
    };
    // AMD's driver reads the name on the card.
    let device = root.text(format!("{device}/product_name")).unwrap_or(name);
    Some(Gpu {
        vendor,
        device,
        driver,
    })
}

/// `brcm,bcm2711-vc5` is Broadcom's.
fn by_device_tree(compatible: &str) -> (String, String) {
    let (vendor, device) = compatible
        .split_once(',')
        .unwrap_or(("unknown", compatible));
    let name = match vendor {
        "brcm" => "Broadcom",
        "qcom" => "Qualcomm",
        "arm" => "Arm",
        "apple" => "Apple",
        "nvidia" => "NVIDIA",
        "img" => "Imagination",
        other => other,
    };
    (name.to_owned(), device.to_owned())
}

/// Vendors of graphics adapters, real and virtual.
///
/// Source: the PCI ID database.
fn vendor_name(id: u16) -> Option<&'static str> {
    Some(match id {
        0x1002 | 0x1022 => "AMD",
        0x10de => "NVIDIA",
        0x8086 => "Intel",
        0x102b => "Matrox",
        0x1a03 => "ASPEED",
        0x106b => "Apple",
        0x1234 => "QEMU (Bochs)",
        0x1013 => "QEMU (Cirrus)",
        0x1414 => "Microsoft",
        0x15ad => "VMware",
        0x1af4 => "Red Hat (virtio)",
        0x1b36 => "Red Hat (QXL)",
        0x80ee => "VirtualBox",
        0x1d17 => "Zhaoxin",
        0x0014 | 0x0731 => "Loongson",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::root::fixture::Fixture;
    use super::*;

    #[test]
    fn adapters_are_listed_and_connectors_left_out() {
        let root = Fixture::of(&[
            ("sys/class/drm/card1/device/vendor", "0x8086"),
            ("sys/class/drm/card1/device/device", "0x9a49"),
            (
                "sys/class/drm/card1/device/uevent",
                "DRIVER=i915\nPCI_ID=8086:9A49",
            ),
            ("sys/class/drm/card1-eDP-1/status", "connected"),
            ("sys/class/drm/renderD128/device/vendor", "0x8086"),
        ]);
        let gpus = read_gpus(&root);
        assert_eq!(gpus.len(), 1);
        assert_eq!(
            (gpus[0].vendor.as_str(), gpus[0].device.as_str()),
            ("Intel", "8086:9a49")
        );
        assert_eq!(gpus[0].driver.as_deref(), Some("i915"));
    }

    #[test]
    fn a_board_names_its_adapter_in_the_device_tree() {
        let root = Fixture::of(&[(
            "sys/class/drm/card0/device/uevent",
            "DRIVER=vc4-drm\nOF_COMPATIBLE_0=brcm,bcm2711-vc5",
        )]);
        assert_eq!(read_gpus(&root)[0].vendor, "Broadcom");
        assert_eq!(read_gpus(&root)[0].device, "bcm2711-vc5");
    }

    #[test]
    fn an_unknown_vendor_keeps_its_number() {
        let root = Fixture::of(&[
            ("sys/class/drm/card0/device/vendor", "0xbeef"),
            ("sys/class/drm/card0/device/device", "0x0001"),
        ]);
        assert_eq!(read_gpus(&root)[0].vendor, "beef");
    }
}
