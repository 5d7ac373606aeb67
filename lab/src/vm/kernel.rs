//! The kernel without its compression.

use std::fs;
use std::path::Path;

use super::error::MachineError;
use crate::error::LabError;
use crate::sandbox::run_tool;

/// First bytes of an xz stream; source: the .xz file format 1.1.0, §2.1.1.1.
const XZ_MAGIC: &[u8] = b"\xfd7zXZ\0";

/// First bytes of an ELF file.
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// Unpacks the ELF file inside a compressed kernel.
///
/// QEMU starts it by its PVH note; the guest, which would take seconds to decompress it, need not.
pub(super) fn unpack(compressed: &Path, to: &Path) -> Result<(), MachineError> {
    let bytes =
        fs::read(compressed).map_err(LabError::io(format!("read {}", compressed.display())))?;
    let starts = bytes.windows(XZ_MAGIC.len()).enumerate();
    // The magic may occur by chance in the code before.
    for (start, _) in starts.filter(|(_, window)| *window == XZ_MAGIC) {
        if decompress(compressed, start, to).is_ok() && is_elf(to) {
            return Ok(());
        }
    }
    Err(MachineError::Unsupported {
        reason: format!("{} holds no kernel compressed by xz", compressed.display()),
    })
}

fn decompress(from: &Path, start: usize, to: &Path) -> Result<(), LabError> {
    let script = r#"tail -c "+$1" "$2" | xz -dc --single-stream >"$3""#;
    let first = (start + 1).to_string();
    let (from, to) = (from.display().to_string(), to.display().to_string());
    run_tool(&["sh", "-c", script, "sh", &first, &from, &to], "").map(drop)
}

fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read =
        fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic));
    read.is_ok() && magic == ELF_MAGIC
}
