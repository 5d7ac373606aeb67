//! The pictures that simulated cameras give: colored bars that move, or black.

use std::fs;
use std::path::Path;

use jpeg_encoder::{ColorType, Encoder};

use super::error::MachineError;
use crate::error::LabError;

/// Pictures in one turn of the bars.
pub(super) const N_FRAMES: usize = 4;

/// Width and height of what simulated cameras give, in pixels; encoded beforehand, since the guest computes slowly.
pub(super) const SIZES: [(u16, u16); 2] = [(640, 480), (1280, 720)];

/// Of JPEG, as webcams have it.
const QUALITY: u8 = 80;

/// Bars in a picture.
const N_BARS: usize = 8;

/// What is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    /// Colored bars that move.
    Bars,
    /// Nothing.
    Black,
}

impl Scene {
    const ALL: [Self; 2] = [Self::Bars, Self::Black];

    /// Name of the file of a picture.
    fn file(self, (width, height): (u16, u16), number: usize) -> String {
        let word = match self {
            Self::Bars => "bars",
            Self::Black => "black",
        };
        format!("{word}-{width}x{height}-{number}.jpg")
    }
}

/// Encodes all pictures into a folder.
pub(super) fn write(folder: &Path) -> Result<(), MachineError> {
    fs::create_dir_all(folder).map_err(LabError::io(format!("create {}", folder.display())))?;
    for scene in Scene::ALL {
        for size in SIZES {
            for number in 0..N_FRAMES {
                let path = folder.join(scene.file(size, number));
                fs::write(&path, jpeg(scene, size, number)?)
                    .map_err(LabError::io(format!("write {}", path.display())))?;
            }
        }
    }
    Ok(())
}

/// The encoded pictures of one turn.
pub(super) fn read(folder: &Path, scene: Scene, size: (u16, u16)) -> std::io::Result<Vec<Vec<u8>>> {
    (0..N_FRAMES)
        .map(|number| fs::read(folder.join(scene.file(size, number))))
        .collect()
}

/// A picture in packed 4:2:2, Y U Y V.
pub(super) fn yuyv(scene: Scene, (width, height): (u16, u16), number: usize) -> Vec<u8> {
    let width = usize::from(width);
    let pixel_pairs = (0..width / 2).flat_map(|pair| {
        let luma = match scene {
            // 16 is black and 235 white: ITU-R BT.601.
            Scene::Bars => [16, 48, 79, 110, 141, 172, 204, 235][bar(pair * 2, width, number)],
            Scene::Black => 16,
        };
        [luma, 128, luma, 128]
    });
    pixel_pairs.collect::<Vec<u8>>().repeat(usize::from(height))
}

fn jpeg(scene: Scene, (width, height): (u16, u16), number: usize) -> Result<Vec<u8>, MachineError> {
    let columns = usize::from(width);
    let row: Vec<u8> = (0..columns)
        .flat_map(|x| color(scene, bar(x, columns, number)))
        .collect();
    let pixels = row.repeat(usize::from(height));
    let mut encoded = Vec::new();
    Encoder::new(&mut encoded, QUALITY)
        .encode(&pixels, width, height, ColorType::Rgb)
        .map_err(|error| MachineError::Unsupported {
            reason: format!("a picture cannot be encoded: {error}"),
        })?;
    Ok(encoded)
}

fn color(scene: Scene, bar: usize) -> [u8; 3] {
    match scene {
        Scene::Bars => [0, 1, 2].map(|bit| if bar >> bit & 1 == 1 { 255 } else { 0 }),
        Scene::Black => [0; 3],
    }
}

/// The bar that a column shows; a picture later, the bars are a quarter of a turn on.
fn bar(x: usize, width: usize, number: usize) -> usize {
    (x * N_BARS / width + number * N_BARS / N_FRAMES) % N_BARS
}
