//! Which probes run, and which may run beside each other; pure.

use greenroom_reports::model::report::ProbeId;

/// What a probe does to others that run beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// A few packets, little processor time.
    Light,
    /// Measures the idle link: nothing that loads the link, and on few cores nothing that loads
    /// the processor, may run beside it.
    MeasuresIdleLink,
    /// Fills the link.
    LoadsLink,
    /// Keeps cores busy: decoding, encoding.
    LoadsCpu,
}

/// Cores up to which a probe that loads the processor disturbs the timing of another. Two are
/// taken by the measurement itself and by the system, and one by the load.
const CROWDED_CORES: u32 = 4;

/// What is known of a probe before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trait {
    probe: ProbeId,
    /// Needs what these found; they come with it.
    after: &'static [ProbeId],
    /// Waits for these when they are in the plan.
    behind: &'static [ProbeId],
    load: Load,
}

/// Every probe. A new one is a folder and a line here.
const TRAITS: &[Trait] = &[
    Trait {
        probe: ProbeId::System,
        after: &[],
        behind: &[],
        load: Load::Light,
    },
    Trait {
        probe: ProbeId::Discovery,
        after: &[],
        behind: &[],
        load: Load::Light,
    },
    Trait {
        probe: ProbeId::Resolve,
        after: &[],
        behind: &[],
        load: Load::Light,
    },
    Trait {
        probe: ProbeId::Web,
        after: &[],
        behind: &[],
        load: Load::Light,
    },
    Trait {
        probe: ProbeId::Stun,
        after: &[ProbeId::Discovery],
        behind: &[],
        load: Load::Light,
    },
    Trait {
        probe: ProbeId::Turn,
        after: &[ProbeId::Discovery],
        behind: &[],
        load: Load::Light,
    },
    Trait {
        probe: ProbeId::Path,
        after: &[ProbeId::Discovery],
        behind: &[],
        load: Load::MeasuresIdleLink,
    },
    Trait {
        probe: ProbeId::Throughput,
        after: &[ProbeId::Discovery, ProbeId::Path],
        behind: &[],
        load: Load::LoadsLink,
    },
    Trait {
        probe: ProbeId::Camera,
        after: &[],
        behind: &[],
        load: Load::LoadsCpu,
    },
    Trait {
        probe: ProbeId::Microphone,
        after: &[],
        behind: &[],
        load: Load::Light,
    },
    Trait {
        probe: ProbeId::Speaker,
        after: &[],
        // Its sound would be in the microphone's figures.
        behind: &[ProbeId::Microphone],
        load: Load::Light,
    },
];

/// Where a probe that loads the processor has to wait for the network's, it comes last: with little
/// time, the network is worth more than a picture that a person sees anyway.
const NETWORK: &[ProbeId] = &[ProbeId::Path, ProbeId::Throughput];

/// Devices are an optional part of the build.
const DEVICES: &[ProbeId] = &[ProbeId::Camera, ProbeId::Microphone, ProbeId::Speaker];

/// Whether two probes may run beside each other on a machine with so many cores.
pub fn are_compatible(one: Load, other: Load, cores: u32) -> bool {
    let disturbs = |load: Load| match load {
        Load::Light => false,
        Load::LoadsLink | Load::MeasuresIdleLink => true,
        Load::LoadsCpu => cores <= CROWDED_CORES,
    };
    // Packets of a flood are sent and stamped by the processor too.
    let is_of_the_link = |load| matches!(load, Load::MeasuresIdleLink | Load::LoadsLink);
    match (is_of_the_link(one), is_of_the_link(other)) {
        (true, _) => !disturbs(other),
        (_, true) => !disturbs(one),
        _ => true,
    }
}

/// The probes of one run, in the order of their start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    probes: Vec<ProbeId>,
    cores: u32,
}

impl Plan {
    /// A plan of the probes that are left when `only` (all, when empty) and `skip` are applied,
    /// on a machine with so many cores. What a chosen probe depends on comes with it, unless it is
    /// skipped.
    pub fn new(only: &[ProbeId], skip: &[ProbeId], cores: u32) -> Self {
        let chosen = |probe: ProbeId| only.is_empty() || only.contains(&probe);
        let needed = |probe: ProbeId| {
            let depends = |t: &Trait| chosen(t.probe) && t.after.contains(&probe);
            chosen(probe) || TRAITS.iter().any(depends)
        };
        let probes = Self::all_probes()
            .filter(|probe| needed(*probe) && !skip.contains(probe))
            .collect();
        Self { probes, cores }
    }

    /// Every probe of this build.
    pub fn all_probes() -> impl Iterator<Item = ProbeId> {
        let is_built = |probe: &ProbeId| cfg!(feature = "devices") || !DEVICES.contains(probe);
        TRAITS.iter().map(|t| t.probe).filter(is_built)
    }

    /// The probes, in order.
    pub fn probes(&self) -> &[ProbeId] {
        &self.probes
    }

    /// The next probe that may start while `running` run and `finished` have ended.
    pub fn next(&self, running: &[ProbeId], finished: &[ProbeId]) -> Option<ProbeId> {
        let waits_for = |probe: ProbeId| self.probes.contains(&probe) && !finished.contains(&probe);
        let fits = |t: &Trait| {
            let beside = |other: &ProbeId| are_compatible(t.load, load_of(*other), self.cores);
            !running.contains(&t.probe)
                && !finished.contains(&t.probe)
                && !t.after.iter().any(|before| waits_for(*before))
                && !self.behind(t).any(waits_for)
                && running.iter().all(beside)
        };
        self.probes
            .iter()
            .copied()
            .find(|probe| trait_of(*probe).is_some_and(fits))
    }
}

impl Plan {
    fn behind(&self, t: &Trait) -> impl Iterator<Item = ProbeId> {
        let waits = t.load == Load::LoadsCpu && self.cores <= CROWDED_CORES;
        let network = if waits { NETWORK } else { &[] };
        t.behind.iter().chain(network).copied()
    }
}

fn trait_of(probe: ProbeId) -> Option<&'static Trait> {
    TRAITS.iter().find(|t| t.probe == probe)
}

fn load_of(probe: ProbeId) -> Load {
    trait_of(probe).map_or(Load::Light, |t| t.load)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_loads_the_link_runs_beside_an_idle_measurement() {
        for cores in [1, 4, 5, 64] {
            assert!(!are_compatible(
                Load::MeasuresIdleLink,
                Load::LoadsLink,
                cores
            ));
            assert!(!are_compatible(
                Load::LoadsLink,
                Load::MeasuresIdleLink,
                cores
            ));
            assert!(!are_compatible(
                Load::MeasuresIdleLink,
                Load::MeasuresIdleLink,
                cores
            ));
            assert!(are_compatible(Load::MeasuresIdleLink, Load::Light, cores));
        }
    }

    #[test]
    fn on_few_cores_nothing_that_loads_the_processor_runs_beside_it_either() {
        assert!(!are_compatible(Load::LoadsCpu, Load::MeasuresIdleLink, 4));
        assert!(are_compatible(Load::LoadsCpu, Load::MeasuresIdleLink, 5));
        assert!(!are_compatible(Load::LoadsCpu, Load::LoadsLink, 4));
        assert!(are_compatible(Load::LoadsCpu, Load::LoadsLink, 5));
    }

    #[cfg(feature = "devices")]
    #[test]
    fn on_few_cores_the_camera_comes_behind_the_network_and_the_speaker_behind_the_microphone() {
        use ProbeId::{
            Camera, Discovery, Microphone, Path, Resolve, Speaker, Stun, System, Throughput, Turn,
            Web,
        };
        let order = |cores| {
            let plan = Plan::new(&[], &[], cores);
            let (mut running, mut order): (Vec<ProbeId>, Vec<ProbeId>) = Default::default();
            let mut finished = Vec::new();
            while finished.len() < plan.probes().len() {
                while let Some(probe) = plan.next(&running, &finished) {
                    running.push(probe);
                    order.push(probe);
                }
                finished.push(running.remove(0));
            }
            order
        };
        let network = [System, Discovery, Resolve, Web];
        let others = [Microphone, Stun, Turn, Path, Speaker, Throughput];
        assert_eq!(order(2), [&network[..], &others, &[Camera]].concat());
        assert_eq!(order(8), [&network[..], &[Camera], &others].concat());
    }

    #[cfg(feature = "devices")]
    #[test]
    fn a_speaker_alone_does_not_bring_the_microphones_probe() {
        let plan = Plan::new(&[ProbeId::Speaker], &[], 2);
        assert_eq!(plan.probes(), [ProbeId::Speaker]);
        assert_eq!(plan.next(&[], &[]), Some(ProbeId::Speaker));
    }

    #[cfg(not(feature = "devices"))]
    #[test]
    fn a_build_without_devices_knows_no_probe_of_them() {
        let plan = Plan::new(&[], &[], 2);
        assert_eq!(plan.probes().last(), Some(&ProbeId::Throughput));
    }

    #[test]
    fn every_schedule_of_the_full_plan_keeps_the_rule_and_ends() {
        for cores in [1, 2, 8] {
            let plan = Plan::new(&[], &[], cores);
            let (mut running, mut finished): (Vec<ProbeId>, Vec<ProbeId>) = Default::default();
            while finished.len() < plan.probes().len() {
                while let Some(probe) = plan.next(&running, &finished) {
                    for other in &running {
                        assert!(are_compatible(load_of(probe), load_of(*other), cores));
                    }
                    running.push(probe);
                }
                finished.push(running.remove(0));
            }
        }
    }

    #[test]
    fn a_chosen_probe_brings_what_it_depends_on() {
        let plan = Plan::new(&[ProbeId::Path], &[], 2);
        assert_eq!(plan.probes(), [ProbeId::Discovery, ProbeId::Path]);
        assert_eq!(plan.next(&[], &[]), Some(ProbeId::Discovery));
        assert_eq!(plan.next(&[ProbeId::Discovery], &[]), None);
        assert_eq!(plan.next(&[], &[ProbeId::Discovery]), Some(ProbeId::Path));
    }

    #[test]
    fn a_skipped_probe_does_not_run_even_if_another_needs_it() {
        let plan = Plan::new(&[ProbeId::Path], &[ProbeId::Discovery], 2);
        assert_eq!(plan.probes(), [ProbeId::Path]);
        assert_eq!(plan.next(&[], &[]), Some(ProbeId::Path));
    }
}
