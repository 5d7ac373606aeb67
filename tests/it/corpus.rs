//! The fuzz targets' functions over their committed corpus: crashes once found stay fixed.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a library of its own for the fuzzer")]
mod decoders;

/// Gives every file of a target's corpus to its function.
fn feed(target: &str, decoder: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let declared = root.join("fuzz_targets").join(format!("{target}.rs"));
    assert!(declared.is_file(), "there is no fuzz target {target}");
    let mut files = 0;
    for entry in fs::read_dir(root.join("corpus").join(target)).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        // The test's output is shown when it fails, and names the file.
        decoder(&bytes);
        files += 1;
    }
    assert!(files >= 3, "the corpus of {target} has {files} files");
}

macro_rules! over_the_corpus {
    ($($target:ident),+) => {
        $(#[test]
        fn $target() {
            feed(stringify!($target), decoders::$target);
        })+

        #[test]
        fn every_target_is_among_these() {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let known = [$(concat!(stringify!($target), ".rs")),+];
            for entry in fs::read_dir(root.join("fuzz/fuzz_targets")).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(known.contains(&name.as_str()), "{name} has no test");
            }
        }
    };
}

over_the_corpus!(
    client,
    datagram,
    discovery,
    events,
    profile,
    report,
    responder,
    serve_config
);
