//! What the program says of itself.

use crate::tool::{code, run, stderr, stdout};

#[test]
fn help_tells_every_command_and_flag() {
    for arguments in [
        &["--help"][..],
        &["check", "--help"],
        &["serve", "--help"],
        &["report", "--help"],
        &["report", "show", "--help"],
        &["report", "validate", "--help"],
        &["report", "explain", "--help"],
        &["schema", "--help"],
    ] {
        let output = run(arguments);
        assert_eq!(code(&output), 0);
        let name = arguments.join("_").replace("--", "");
        insta::assert_snapshot!(format!("help_{name}"), stdout(&output));
    }
}

#[test]
fn an_unknown_flag_is_wrong_usage() {
    let output = run(&["check", "--sever", "x"]);
    assert_eq!(code(&output), 2);
    insta::assert_snapshot!("unknown_flag", stderr(&output));
}
