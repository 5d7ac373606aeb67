//! Loss, random and in bursts.

use greenroom_lab::link::{Direction, GilbertElliott, Loss};
use libtest_mimic::Trial;

use crate::path::{assert_figures, one_way, word};
use crate::scene::good_link;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for direction in Direction::BOTH {
        let way = word(direction);
        for seed in [1, 3] {
            trials.push(trial(
                format!("random_loss_{way}_is_named_seed_{seed}"),
                move || {
                    random(direction, seed);
                },
            ));
            trials.push(trial(
                format!("bursty_loss_{way}_is_named_seed_{seed}"),
                move || {
                    bursty(direction, seed);
                },
            ));
        }
    }
    trials
}

/// 8 % of the packets, each for itself.
fn random(direction: Direction, seed: u64) {
    let scene = one_way(direction, good_link().loss(Loss::Random(0.08)), seed);
    let checked = scene.client().path_alone().run();
    let way = word(direction);
    let id = format!("network.path.loss_{way}");
    let too_small = format!("network.bandwidth.{way}link_too_small");
    checked.assert_named(&id, &[&too_small], 3);
    assert_figures(&scene, &checked);
}

/// 10 % of the packets, five in a row on average.
fn bursty(direction: Direction, seed: u64) {
    let loss = Loss::GilbertElliott(GilbertElliott::bursts(0.1, 5.0));
    let scene = one_way(direction, good_link().loss(loss), seed);
    let checked = scene.client().path_alone().run();
    let (truth, path) = (scene.truth(), checked.path());
    let burst = truth.mean_burst(direction, path);
    println!("  {burst:.1} losses in a row on average");
    let way = word(direction);
    let id = format!("network.path.bursty_loss_{way}");
    let too_small = format!("network.bandwidth.{way}link_too_small");
    checked.assert_named(&id, &[&too_small], 3);
    assert_figures(&scene, &checked);
}
