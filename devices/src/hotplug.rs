//! What changed between two lists of devices.

use serde::Serialize;

use crate::device::DeviceInfo;

/// A device came, or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum DeviceChange {
    /// It can be chosen from now on.
    Added(DeviceInfo),
    /// It cannot be chosen any more.
    Removed(DeviceInfo),
}

/// What happened between two lists of one kind, by id: first what went, then what came, each in the
/// order of its list.
///
/// A device whose name changed, or that became the default, is the same device and gives no change.
pub fn changes(before: &[DeviceInfo], now: &[DeviceInfo]) -> Vec<DeviceChange> {
    let is_in = |list: &[DeviceInfo], device: &DeviceInfo| list.iter().any(|d| d.id == device.id);
    let removed = before.iter().filter(|device| !is_in(now, device));
    let added = now.iter().filter(|device| !is_in(before, device));
    removed
        .cloned()
        .map(DeviceChange::Removed)
        .chain(added.cloned().map(DeviceChange::Added))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::DeviceKind;
    use crate::selection::DeviceId;

    fn device(id: &str, is_default: bool) -> DeviceInfo {
        DeviceInfo {
            kind: DeviceKind::Camera,
            id: DeviceId::new(id),
            name: id.to_uppercase(),
            backend: "v4l2".to_owned(),
            is_default,
            is_synthetic: false,
        }
    }

    #[test]
    fn equal_lists_in_another_order_are_no_change() {
        let (a, b) = (device("a", true), device("b", false));
        assert_eq!(changes(&[a.clone(), b.clone()], &[b, a]), []);
    }

    #[test]
    fn what_went_is_told_before_what_came() {
        let (a, b, c) = (device("a", true), device("b", false), device("c", false));
        assert_eq!(
            changes(&[a.clone(), b.clone()], &[b, c.clone()]),
            [DeviceChange::Removed(a), DeviceChange::Added(c)]
        );
    }

    #[test]
    fn becoming_the_default_is_no_change() {
        assert_eq!(changes(&[device("a", false)], &[device("a", true)]), []);
    }

    #[test]
    fn the_first_list_is_all_new() {
        let all = [device("a", true), device("b", false)];
        assert_eq!(changes(&[], &all), all.map(DeviceChange::Added));
    }
}
