//! Supply and power saving.

use greenroom_reports::model::system::{Power, PowerSource};
use greenroom_reports::units::Ratio;

use super::super::root::SystemRoot;

/// Reads supplies, charge and power profile.
pub(in crate::system) fn read_power(root: &SystemRoot) -> Power {
    let supplies = read_supplies(root);
    let clocks = ClockPolicies::read(root);
    let platform = root.text("sys/firmware/acpi/platform_profile");
    Power {
        source: power_source(&supplies),
        battery_ratio: battery_ratio(&supplies),
        saver_active: saver_active(platform.as_deref(), &clocks),
        profile: platform.or_else(|| clocks.word()),
    }
}

/// One entry of `/sys/class/power_supply` that feeds the machine itself.
#[derive(Debug, Default)]
struct Supply {
    is_battery: bool,
    /// Of a charger: it delivers.
    online: bool,
    /// Of a battery: `Charging`, `Discharging`, `Not charging`, `Full`, `Unknown`.
    status: String,
    /// Of a battery: charge now and when full, in one unit.
    charge: Option<(u64, u64)>,
}

/// Source: Linux, `Documentation/ABI/testing/sysfs-class-power`.
fn read_supplies(root: &SystemRoot) -> Vec<Supply> {
    let names = root.entries("sys/class/power_supply");
    names
        .iter()
        .filter_map(|name| read_supply(root, name))
        .collect()
}

fn read_supply(root: &SystemRoot, name: &str) -> Option<Supply> {
    let path = |file: &str| format!("sys/class/power_supply/{name}/{file}");
    // A mouse or headset has a battery of its own.
    if root.text(path("scope")).as_deref() == Some("Device") {
        return None;
    }
    let kind = root.text(path("type"))?;
    let is_battery = kind == "Battery";
    // A bay without a battery in it.
    if is_battery && root.number::<u8>(path("present")) == Some(0) {
        return None;
    }
    let charge = |now: &str, full: &str| Some((root.number(path(now))?, root.number(path(full))?));
    Some(Supply {
        is_battery,
        online: root
            .number::<u8>(path("online"))
            .is_some_and(|online| online > 0),
        status: root.text(path("status")).unwrap_or_default(),
        charge: charge("energy_now", "energy_full")
            .or_else(|| charge("charge_now", "charge_full"))
            .or_else(|| Some((root.number(path("capacity"))?, 100))),
    })
}

/// `None` for a desktop, which lists no supply, and where the entries say nothing.
fn power_source(supplies: &[Supply]) -> Option<PowerSource> {
    let battery_is = |status: &[&str]| {
        supplies
            .iter()
            .any(|supply| supply.is_battery && status.contains(&supply.status.as_str()))
    };
    if supplies
        .iter()
        .any(|supply| !supply.is_battery && supply.online)
    {
        return Some(PowerSource::Mains);
    }
    if battery_is(&["Discharging"]) {
        return Some(PowerSource::Battery);
    }
    battery_is(&["Charging", "Full", "Not charging"]).then_some(PowerSource::Mains)
}

/// Charge of all batteries together, where they count in one unit.
fn battery_ratio(supplies: &[Supply]) -> Option<Ratio> {
    let charges: Vec<(u64, u64)> = supplies
        .iter()
        .filter(|supply| supply.is_battery)
        .filter_map(|supply| supply.charge)
        .collect();
    let sum = |part: fn(&(u64, u64)) -> u64| charges.iter().map(part).fold(0, u64::saturating_add);
    let (now, full) = (sum(|charge| charge.0), sum(|charge| charge.1));
    // A worn battery may claim a little more than its full charge.
    Ratio::of(now.min(full), full)
}

/// How the kernel chooses the clock; `None` where the cores differ or the kernel does not tell.
#[derive(Debug, Default)]
struct ClockPolicies {
    driver: Option<String>,
    governor: Option<String>,
    preference: Option<String>,
}

impl ClockPolicies {
    fn read(root: &SystemRoot) -> Self {
        let directory = "sys/devices/system/cpu/cpufreq";
        let policies: Vec<String> = root
            .entries(directory)
            .into_iter()
            .filter(|name| name.starts_with("policy"))
            .collect();
        let common = |file: &str| {
            let mut words = policies
                .iter()
                .map(|policy| root.text(format!("{directory}/{policy}/{file}")));
            let first = words.next()??;
            words
                .all(|word| word.as_ref() == Some(&first))
                .then_some(first)
        };
        Self {
            driver: common("scaling_driver"),
            governor: common("scaling_governor"),
            preference: common("energy_performance_preference"),
        }
    }

    /// The word that says most.
    fn word(&self) -> Option<String> {
        self.preference.clone().or_else(|| self.governor.clone())
    }

    /// The governor `powersave` pins the lowest clock, except with the drivers that choose the
    /// clock by themselves: there it is the ordinary setting, and the preference tells.
    ///
    /// Source: Linux, `Documentation/admin-guide/pm/{cpufreq,intel_pstate,amd-pstate}.rst`.
    fn saves(&self) -> Option<bool> {
        let chooses_itself = matches!(
            self.driver.as_deref(),
            Some("intel_pstate" | "amd-pstate-epp")
        );
        match (&self.preference, &self.governor) {
            (Some(preference), _) => Some(preference == "power"),
            (None, Some(governor)) => Some(governor == "powersave" && !chooses_itself),
            (None, None) => None,
        }
    }
}

/// The firmware's profile counts first; one that it does not define (`custom`) leaves it to the
/// clock policies. Being on battery is no saving by itself.
///
/// Source: Linux, `Documentation/ABI/testing/sysfs-platform_profile`.
fn saver_active(platform: Option<&str>, clocks: &ClockPolicies) -> Option<bool> {
    match platform {
        Some("low-power") => Some(true),
        Some("cool" | "quiet" | "balanced" | "balanced-performance" | "performance") => {
            Some(clocks.saves() == Some(true))
        }
        _ => clocks.saves(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::root::fixture::Fixture;
    use super::*;

    const POLICY: &str = "sys/devices/system/cpu/cpufreq/policy0";

    fn laptop(extra: &[(&str, &str)]) -> Power {
        let root = Fixture::of(&[
            ("sys/class/power_supply/AC/type", "Mains"),
            ("sys/class/power_supply/AC/online", "0"),
            ("sys/class/power_supply/BAT0/type", "Battery"),
            ("sys/class/power_supply/BAT0/status", "Discharging"),
            ("sys/class/power_supply/BAT0/energy_now", "12000000"),
            ("sys/class/power_supply/BAT0/energy_full", "48000000"),
            ("sys/class/power_supply/hidpp_battery_0/type", "Battery"),
            ("sys/class/power_supply/hidpp_battery_0/scope", "Device"),
            ("sys/class/power_supply/hidpp_battery_0/capacity", "5"),
        ]);
        for (path, text) in extra {
            root.write(path, text);
        }
        read_power(&root)
    }

    #[test]
    fn a_laptop_on_battery_in_saver_mode_is_told() {
        let power = laptop(&[("sys/firmware/acpi/platform_profile", "low-power")]);
        assert_eq!(power.source, Some(PowerSource::Battery));
        assert_eq!(power.battery_ratio, Ratio::new(0.25));
        assert_eq!(power.profile.as_deref(), Some("low-power"));
        assert_eq!(power.saver_active, Some(true));
    }

    #[test]
    fn a_laptop_on_battery_in_balanced_mode_saves_nothing() {
        let power = laptop(&[
            ("sys/firmware/acpi/platform_profile", "balanced"),
            (&format!("{POLICY}/scaling_driver"), "intel_pstate"),
            (&format!("{POLICY}/scaling_governor"), "powersave"),
            (
                &format!("{POLICY}/energy_performance_preference"),
                "balance_power",
            ),
        ]);
        assert_eq!(power.saver_active, Some(false));
    }

    #[test]
    fn a_charger_that_delivers_is_mains_whatever_the_battery_does() {
        let power = laptop(&[
            ("sys/class/power_supply/ucsi-source-psy-1/type", "USB"),
            ("sys/class/power_supply/ucsi-source-psy-1/online", "1"),
        ]);
        assert_eq!(power.source, Some(PowerSource::Mains));
    }

    #[test]
    fn a_desktop_tells_neither_source_nor_charge() {
        let power = read_power(&Fixture::of(&[
            (&format!("{POLICY}/scaling_driver"), "acpi-cpufreq"),
            (&format!("{POLICY}/scaling_governor"), "schedutil"),
        ]));
        assert_eq!((power.source, power.battery_ratio), (None, None));
        assert_eq!(power.profile.as_deref(), Some("schedutil"));
        assert_eq!(power.saver_active, Some(false));
    }

    #[test]
    fn the_powersave_governor_saves_only_where_it_pins_the_clock() {
        let saver = |driver: &str| {
            read_power(&Fixture::of(&[
                (&format!("{POLICY}/scaling_driver"), driver),
                (&format!("{POLICY}/scaling_governor"), "powersave"),
            ]))
            .saver_active
        };
        assert_eq!(saver("acpi-cpufreq"), Some(true));
        assert_eq!(saver("intel_cpufreq"), Some(true));
        assert_eq!(saver("intel_pstate"), Some(false));
        assert_eq!(saver("amd-pstate-epp"), Some(false));
    }

    #[test]
    fn a_virtual_machine_tells_nothing() {
        let power = read_power(&Fixture::of(&[]));
        assert_eq!(power, super::super::super::probe::UNKNOWN_POWER);
    }

    #[test]
    fn an_empty_bay_is_no_battery() {
        let power = laptop(&[("sys/class/power_supply/BAT0/present", "0")]);
        assert_eq!((power.source, power.battery_ratio), (None, None));
    }
}
