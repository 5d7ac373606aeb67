//! Which device is meant.

use crate::device::{DeviceInfo, DeviceKind};
use crate::error::DeviceError;
use crate::selection::DeviceId;

/// A device, and whether it is the one that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The device to use.
    pub info: DeviceInfo,
    /// Why not the chosen one; a sentence.
    pub fallback: Option<String>,
}

/// Why a name chooses no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChooseError {
    /// Nothing is called so.
    #[error("there is no {} called {name:?}{}", kind.word(), listed(.there))]
    NotFound {
        /// Kind.
        kind: DeviceKind,
        /// As it was asked for.
        name: String,
        /// Those that are there.
        there: Vec<DeviceInfo>,
    },
    /// It fits several.
    #[error("{name:?} fits {} {}s{}", .fitting.len(), kind.word(), listed(.fitting))]
    Ambiguous {
        /// Kind.
        kind: DeviceKind,
        /// As it was asked for.
        name: String,
        /// Those that it fits.
        fitting: Vec<DeviceInfo>,
    },
}

fn listed(devices: &[DeviceInfo]) -> String {
    if devices.is_empty() {
        return "; there is none at all".to_owned();
    }
    let lines = devices
        .iter()
        .map(|d| format!("\n  {}  ({})", d.name, d.id.as_str()));
    format!(":{}", lines.collect::<String>())
}

/// The device of this kind that a person means: by its id, else by its whole name, else by a part
/// of the name that no other has; case does not matter in names.
///
/// # Errors
///
/// None fits, or several do; both name what is there.
pub fn by_name(
    devices: &[DeviceInfo],
    kind: DeviceKind,
    name: &str,
) -> Result<DeviceInfo, ChooseError> {
    let of_kind: Vec<&DeviceInfo> = devices.iter().filter(|d| d.kind == kind).collect();
    if let Some(found) = of_kind.iter().find(|d| d.id.as_str() == name) {
        return Ok((*found).clone());
    }
    let wanted = name.to_lowercase();
    let whole = |d: &DeviceInfo| d.name.to_lowercase() == wanted;
    let part = |d: &DeviceInfo| !wanted.is_empty() && d.name.to_lowercase().contains(&wanted);
    let rules: [&dyn Fn(&DeviceInfo) -> bool; 2] = [&whole, &part];
    for fits in rules {
        let fitting: Vec<DeviceInfo> = of_kind
            .iter()
            .copied()
            .filter(|d| fits(d))
            .cloned()
            .collect();
        match fitting.as_slice() {
            [] => {}
            [one] => return Ok(one.clone()),
            _ => {
                return Err(ChooseError::Ambiguous {
                    kind,
                    name: name.to_owned(),
                    fitting,
                });
            }
        }
    }
    Err(ChooseError::NotFound {
        kind,
        name: name.to_owned(),
        there: of_kind.into_iter().cloned().collect(),
    })
}

/// The chosen device; when it is gone, the system's default with a sentence that says so. Without
/// a choice, the default, or the first that is made of hardware.
///
/// # Errors
///
/// There is no device of this kind but for synthetic ones, which are taken by name only.
pub fn resolve(
    devices: &[DeviceInfo],
    kind: DeviceKind,
    wanted: Option<&DeviceId>,
) -> Result<Chosen, DeviceError> {
    let mut of_kind = devices.iter().filter(|d| d.kind == kind);
    if let Some(info) = of_kind.clone().find(|d| wanted == Some(&d.id)) {
        return Ok(Chosen {
            info: info.clone(),
            fallback: None,
        });
    }
    let mut real = of_kind.clone().filter(|d| !d.is_synthetic);
    let default = of_kind.find(|d| d.is_default && !d.is_synthetic);
    let info = default
        .or_else(|| real.next())
        .ok_or(DeviceError::None { kind })?;
    Ok(Chosen {
        info: info.clone(),
        fallback: wanted.map(|id| gone(kind, id, info)),
    })
}

fn gone(kind: DeviceKind, wanted: &DeviceId, taken: &DeviceInfo) -> String {
    format!(
        "the chosen {} ({}) is not there; {} was taken instead",
        kind.word(),
        wanted.as_str(),
        taken.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(id: &str, name: &str, is_default: bool) -> DeviceInfo {
        DeviceInfo {
            kind: DeviceKind::Camera,
            id: DeviceId::new(id),
            name: name.to_owned(),
            backend: "v4l2".to_owned(),
            is_default,
            is_synthetic: id.starts_with("synthetic:"),
        }
    }

    fn cameras() -> Vec<DeviceInfo> {
        vec![
            camera("synthetic:camera", "Synthetic camera", false),
            camera("usb-1", "Studio Cam", false),
            camera("usb-2", "Studio Cam Pro", true),
        ]
    }

    #[test]
    fn an_id_a_whole_name_and_a_unique_part_choose() {
        let all = cameras();
        let id_of = |name| by_name(&all, DeviceKind::Camera, name).map(|d| d.id);
        assert_eq!(id_of("usb-2"), Ok(DeviceId::new("usb-2")));
        assert_eq!(id_of("studio cam"), Ok(DeviceId::new("usb-1")));
        assert_eq!(id_of("PRO"), Ok(DeviceId::new("usb-2")));
    }

    #[test]
    fn a_part_that_fits_two_lists_both_and_an_unknown_name_lists_what_is_there() {
        let all = cameras();
        let two = by_name(&all, DeviceKind::Camera, "studio").unwrap_err();
        assert_eq!(
            two.to_string(),
            "\"studio\" fits 2 cameras:\n  Studio Cam  (usb-1)\n  Studio Cam Pro  (usb-2)"
        );
        let none = by_name(&all, DeviceKind::Camera, "phone").unwrap_err();
        assert!(matches!(&none, ChooseError::NotFound { there, .. } if there.len() == 3));
        let none = by_name(&all, DeviceKind::Speaker, "").unwrap_err();
        assert_eq!(
            none.to_string(),
            "there is no speaker called \"\"; there is none at all"
        );
    }

    #[test]
    fn a_chosen_device_that_is_gone_falls_back_visibly() {
        let all = cameras();
        let wanted = DeviceId::new("usb-9");
        let chosen = resolve(&all, DeviceKind::Camera, Some(&wanted)).unwrap();
        assert_eq!(chosen.info.id, DeviceId::new("usb-2"));
        assert_eq!(
            chosen.fallback.as_deref(),
            Some("the chosen camera (usb-9) is not there; Studio Cam Pro was taken instead")
        );
        let unchosen = resolve(&all, DeviceKind::Camera, None).unwrap();
        assert_eq!(
            (unchosen.info.id.as_str(), unchosen.fallback),
            ("usb-2", None)
        );
    }

    #[test]
    fn a_synthetic_device_is_taken_by_name_only() {
        let only = &cameras()[..1];
        let none = resolve(only, DeviceKind::Camera, None);
        assert_eq!(
            none,
            Err(DeviceError::None {
                kind: DeviceKind::Camera
            })
        );
        let id = DeviceId::new("synthetic:camera");
        let chosen = resolve(only, DeviceKind::Camera, Some(&id)).unwrap();
        assert!(chosen.info.is_synthetic);
    }
}
