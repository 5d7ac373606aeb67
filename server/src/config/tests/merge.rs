use std::fs;

use super::*;

/// Resolves a file of this text, in a folder of its own.
fn from_file(text: &str, flags: ServeOverrides) -> Result<ServeConfig, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greenroom.toml");
    fs::write(&path, text).unwrap();
    fs::write(folder.path().join("profile.toml"), "name = \"ours\"\n").unwrap();
    ServeConfig::resolve(Some(&path), flags)
}

fn error_of(text: &str) -> String {
    from_file(text, ServeOverrides::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn nothing_said_is_the_default() {
    let config = ServeConfig::resolve(None, ServeOverrides::default()).unwrap();
    assert_eq!(config, ServeConfig::default());
    assert_eq!(from_file("", ServeOverrides::default()).unwrap(), config);
}

#[test]
fn flags_come_before_the_file_and_the_file_before_the_default() {
    let text = "listen = \"127.0.0.1:1000\"\nudp_port = 2000\n\
                [limits]\nmax_session_seconds = 5\nmax_sessions = 7\n";
    let flags = ServeOverrides {
        udp_port: Some(0),
        max_sessions: Some(9),
        ..ServeOverrides::default()
    };
    let config = from_file(text, flags).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:1000");
    assert_eq!(config.udp_port, UdpPort::Any);
    assert_eq!(config.limits.measure.max_session_ms, 5000);
    assert_eq!(config.limits.measure.max_sessions, 9);
    let default = Limits::default().max_packets_per_second;
    assert_eq!(config.limits.measure.max_packets_per_second, default);
}

#[test]
fn loads_are_limited_or_switched_off() {
    let text = "[limits]\nmax_loads = 0\nmax_load_bps = 5000000\nmax_load_bytes = 1000000\n";
    let flags = ServeOverrides {
        max_load_bps: Some(7_000_000),
        max_egress_bps: Some(20_000_000),
        ..ServeOverrides::default()
    };
    let limits = from_file(text, flags).unwrap().limits.measure;
    assert_eq!((limits.max_loads, limits.max_load_bytes), (0, 1_000_000));
    assert_eq!(
        (limits.max_load_bps, limits.max_egress_bps),
        (7_000_000, 20_000_000)
    );
}

#[test]
fn a_port_without_an_address_is_told_what_is_missing() {
    for (text, place, port) in [
        ("listen = 8443\n", "line 1, column 10", 8443),
        ("listen = \"443\"\n", "line 1, column 10", 443),
        ("udp_port = 1\nmetrics_listen = 9\n", "line 2, column 18", 9),
    ] {
        let error = error_of(text);
        let expected =
            format!("at {place}: {port} is a port without an address: write \"[::]:{port}\"");
        assert!(error.contains(&expected), "{error}");
    }
    for text in ["listen = 70000\n", "listen = true\n", "listen = []\n"] {
        let error = error_of(text);
        assert!(
            error.contains("at line 1, column 10: write an address"),
            "{error}"
        );
    }
}

#[test]
fn a_typo_is_told_with_line_and_column() {
    let text = error_of("listen = \"127.0.0.1:1\"\n[limits]\nmax_sesions = 3\n");
    assert!(
        text.contains("at line 3, column 1: unknown field `max_sesions`"),
        "{text}"
    );
    let text = error_of("listen = \"nowhere\"\n");
    assert!(
        text.contains("at line 1, column 10: write an address of this machine and a port"),
        "{text}"
    );
    let text = error_of("[tls]\nmode = \"sometimes\"\n");
    assert!(
        text.contains("at line 2, column 8: unknown variant `sometimes`"),
        "{text}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let path = Path::new("/nonexistent/greenroom.toml");
    let error = ServeConfig::resolve(Some(path), ServeOverrides::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the configuration file /nonexistent/greenroom.toml"
    );
}

#[test]
fn paths_in_the_file_are_relative_to_it() {
    let text = "[tls]\ncertificate = \"cert.pem\"\nkey = \"/etc/key.pem\"\n";
    let config = from_file(text, ServeOverrides::default()).unwrap();
    let TlsConfig::Pem { certificate, key } = config.tls else {
        panic!("not from files");
    };
    assert!(certificate.is_absolute() && certificate.ends_with("cert.pem"));
    assert_eq!(key, Path::new("/etc/key.pem"));
}

#[test]
fn half_a_key_pair_and_contradicting_tls_are_refused() {
    assert!(error_of("[tls]\ncertificate = \"a\"\n").starts_with("cannot use the setting tls.key"));
    assert!(error_of("[tls]\nkey = \"a\"\n").starts_with("cannot use the setting tls.certificate"));
    for text in [
        "[tls]\nmode = \"none\"\ncertificate = \"a\"\nkey = \"b\"\n",
        "[tls]\nmode = \"self-signed\"\nkey = \"b\"\n",
        "[tls]\ncertificate = \"a\"\nkey = \"b\"\nnames = [\"x\"]\n",
    ] {
        assert!(
            error_of(text).starts_with("cannot use the setting tls.mode"),
            "{text}"
        );
    }
}

#[test]
fn a_flag_for_another_kind_of_tls_replaces_that_of_the_file() {
    let flags = ServeOverrides {
        tls: Some(TlsMode::SelfSigned),
        ..ServeOverrides::default()
    };
    let config = from_file("[tls]\ncertificate = \"a\"\nkey = \"b\"\n", flags).unwrap();
    assert!(matches!(config.tls, TlsConfig::SelfSigned { .. }));
}

fn preset_of(text: &str) -> Preset {
    let config = from_file(text, ServeOverrides::default()).unwrap();
    config.preset.unwrap()
}

#[test]
fn a_preset_names_describes_or_reads_its_profile() {
    let preset = preset_of("[preset]\nname = \"Town hall\"\nprofile_file = \"profile.toml\"\n");
    assert_eq!(preset.name, "Town hall");
    assert_eq!(preset.profile.unwrap().name, "ours");
    let preset = preset_of("[preset]\nprofile = \"voice\"\n");
    assert_eq!(preset.profile, Some(Profile::voice()));
    let preset = preset_of("[preset.profile]\nname = \"inline\"\nextends = \"voice\"\n");
    assert_eq!(preset.profile.unwrap().name, "inline");
}

#[test]
fn a_preset_has_one_profile_and_its_mistakes_are_pointed_at() {
    let both = "[preset]\nprofile_file = \"profile.toml\"\nprofile = \"voice\"\n";
    assert!(error_of(both).starts_with("cannot use the setting preset.profile_file"));
    let text = error_of("[preset]\nprofile = \"vioce\"\n");
    assert!(
        text.contains("line 2, column 11: there is no profile"),
        "{text}"
    );
    let text = error_of("[preset.profile]\nname = \"x\"\nextend = \"voice\"\n");
    assert!(text.contains("`extends`"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("typo.toml");
    fs::write(&path, "name = \"x\"\nextend = \"voice\"\n").unwrap();
    let flags = ServeOverrides {
        preset_profile_file: Some(path),
        ..ServeOverrides::default()
    };
    let text = ServeConfig::resolve(None, flags).unwrap_err().to_string();
    assert!(text.contains("typo.toml at line 2, column 1"), "{text}");
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    for (text, key) in [
        ("[limits]\nmax_sessions = 0\n", "limits.max_sessions"),
        (
            "[limits]\nmax_datagram_bytes = 63\n",
            "limits.max_datagram_bytes",
        ),
        (
            "[limits]\nmax_datagram_bytes = 9000\n",
            "limits.max_datagram_bytes",
        ),
        ("[limits]\nmax_load_bps = 10\n", "limits.max_load_bps"),
        ("[limits]\nmax_load_bytes = 0\n", "limits.max_load_bytes"),
        ("[limits]\nmax_egress_bps = 0\n", "limits.max_egress_bps"),
        ("advertised_udp_port = 0\n", "advertised_udp_port"),
        ("public_url = \"probe.example\"\n", "public_url"),
        (
            "listen = \"127.0.0.1:9\"\nmetrics_listen = \"127.0.0.1:9\"\n",
            "metrics_listen",
        ),
    ] {
        let error = error_of(text);
        assert!(
            error.starts_with(&format!("cannot use the setting {key}:")),
            "{error}"
        );
    }
}
