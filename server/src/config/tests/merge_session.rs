use std::fs;

use super::*;
use crate::config::{ServeConfig, file::ConfigError};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

/// Resolves a file of this text, in a folder that has files with secrets.
fn from_file(text: &str, flags: ServeOverrides) -> Result<SessionConfig, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("greenroom.toml");
    fs::write(&path, text).unwrap();
    for (name, secret) in [
        ("a", SECRET),
        ("b", OTHER),
        ("short", "hunter2"),
        ("empty", " "),
    ] {
        fs::write(folder.path().join(name), format!("{secret}\n")).unwrap();
    }
    ServeConfig::resolve(Some(&path), flags).map(|config| config.session)
}

fn of(text: &str) -> SessionConfig {
    from_file(text, ServeOverrides::default()).unwrap()
}

#[track_caller]
fn refused(text: &str, flags: ServeOverrides, key: &str, words: &str) {
    let error = from_file(text, flags).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot use the setting {key}: ")) && error.contains(words),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn app(key: &str, secret: &str) -> AppKey {
    AppKey::new(key, secret).unwrap()
}

const TWO_APPS: &str = "[[session.apps]]\nkey = \"one\"\nsecret_file = \"a\"\n\
                        [[session.apps]]\nkey = \"two\"\nsecret_file = \"b\"\n";

#[test]
fn every_key_of_the_file_counts() {
    let session = of(
        "[session]\nenabled = true\nproduction = true\nengine = \"livekit\"\n\
                      engine_udp_port = 7000\nengine_advertised_addresses = [\"192.0.2.1\"]\n\
                      max_sessions = 3\nmax_users_per_session = 4\nremoved_after_seconds = 5\n\
                      reservation_seconds = 6\npasscode_tries_per_minute = 7\n\
                      engine_api_key = \"api\"\nengine_api_secret_file = \"b\"\n\
                      [session.livekit]\nurl = \"wss://media.example.org\"\nkey = \"key\"\n\
                      secret_file = \"a\"\n[[session.apps]]\nkey = \"one\"\nsecret_file = \"a\"\n",
    );
    assert_eq!(
        session,
        SessionConfig {
            enabled: true,
            apps: vec![app("one", SECRET)],
            production: true,
            engine: EngineChoice::LiveKit {
                url: "wss://media.example.org".parse().unwrap(),
                api_key: ApiKey::new("key", secret(SECRET)).unwrap(),
            },
            api_key: Some(ApiKey::new("api", secret(OTHER)).unwrap()),
            engine_udp_port: Some(7000),
            engine_advertised_addresses: vec!["192.0.2.1".parse().unwrap()],
            max_sessions: 3,
            max_users_per_session: 4,
            removed_after: Duration::from_secs(5),
            reservation: Duration::from_secs(6),
            passcode_tries_per_minute: 7,
        }
    );
}

#[test]
fn every_flag_comes_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let secret_file = folder.path().join("secret");
    fs::write(&secret_file, OTHER).unwrap();
    let text = "[session]\nenabled = true\nengine = \"embedded\"\nengine_udp_port = 1\n\
                engine_advertised_addresses = [\"192.0.2.1\"]\nmax_sessions = 1\n\
                max_users_per_session = 1\nremoved_after_seconds = 30\nreservation_seconds = 1\n\
                passcode_tries_per_minute = 1\n[[session.apps]]\nkey = \"one\"\nsecret_file = \"a\"\n";
    let flags = ServeOverrides {
        session_enabled: Some(false),
        app_key: Some("two".to_owned()),
        app_secret_file: Some(secret_file.clone()),
        production: Some(true),
        engine: Some(EngineMode::LiveKit),
        livekit_url: Some("wss://media.example.org".parse().unwrap()),
        livekit_key: Some("key".to_owned()),
        livekit_secret: Some(secret("devsecret")),
        engine_api_key: Some("api".to_owned()),
        engine_api_secret_file: Some(secret_file),
        engine_udp_port: Some(0),
        engine_advertised_addresses: Some(vec!["2001:db8::1".parse().unwrap()]),
        session_max_sessions: Some(2),
        session_max_users_per_session: Some(3),
        session_removed_after_seconds: Some(10),
        session_reservation_seconds: Some(4),
        session_passcode_tries_per_minute: Some(5),
        ..ServeOverrides::default()
    };
    let session = from_file(text, flags).unwrap();
    assert_eq!(
        session,
        SessionConfig {
            enabled: false,
            apps: vec![app("two", OTHER)],
            production: true,
            engine: EngineChoice::LiveKit {
                url: "wss://media.example.org".parse().unwrap(),
                api_key: ApiKey::new("key", secret("devsecret")).unwrap(),
            },
            api_key: Some(ApiKey::new("api", secret(OTHER)).unwrap()),
            engine_udp_port: Some(0),
            engine_advertised_addresses: vec!["2001:db8::1".parse().unwrap()],
            max_sessions: 2,
            max_users_per_session: 3,
            removed_after: Duration::from_secs(10),
            reservation: Duration::from_secs(4),
            passcode_tries_per_minute: 5,
        }
    );
}

#[test]
fn several_apps_come_from_the_file() {
    assert_eq!(of(TWO_APPS).apps, [app("one", SECRET), app("two", OTHER)]);
}

#[test]
fn a_secret_comes_from_flag_then_variable_then_file() {
    let folder = tempfile::tempdir().unwrap();
    let flag_file = folder.path().join("secret");
    fs::write(&flag_file, "from the flag, and long enough to be one").unwrap();
    let one_app = "[[session.apps]]\nkey = \"one\"\nsecret_file = \"a\"\n";
    let mut flags = ServeOverrides {
        app_secret: Some(secret(OTHER)),
        ..ServeOverrides::default()
    };
    let from_variable = from_file(one_app, flags.clone()).unwrap();
    assert_eq!(from_variable.apps, [app("one", OTHER)]);
    flags.app_secret_file = Some(flag_file);
    let from_flag = from_file(one_app, flags).unwrap();
    assert_eq!(
        from_flag.apps,
        [app("one", "from the flag, and long enough to be one")]
    );
}

#[test]
fn an_app_key_alone_picks_the_app_of_the_file() {
    let flags = ServeOverrides {
        app_key: Some("two".to_owned()),
        ..ServeOverrides::default()
    };
    assert_eq!(
        from_file(TWO_APPS, flags).unwrap().apps,
        [app("two", OTHER)]
    );
}

#[test]
fn apps_that_cannot_be_used_are_told_what_to_do() {
    let flags = ServeOverrides::default;
    let key = "session.apps";
    let with_key = ServeOverrides {
        app_key: Some("mine".to_owned()),
        ..flags()
    };
    refused("", with_key, key, "app key \"mine\" has no secret");
    let with_secret = || ServeOverrides {
        app_secret: Some(secret(SECRET)),
        ..flags()
    };
    refused("", with_secret(), key, "give --app-key (GREENROOM_APP_KEY)");
    refused(TWO_APPS, with_secret(), key, "the file has 2 app keys");
    let app = |key: &str, file: &str| {
        format!("[[session.apps]]\nkey = \"{key}\"\nsecret_file = \"{file}\"\n")
    };
    refused(&app("one", "short"), flags(), key, "has 7 bytes");
    refused(&app("one", "empty"), flags(), key, "the secret is empty");
    refused(&app("a/b", "a"), flags(), key, "\"a/b\" is none");
    refused(&app("one", "a").repeat(2), flags(), key, "is there twice");
    refused(
        "[[session.apps]]\nkey = \"one\"\n",
        flags(),
        key,
        "secret_file",
    );
    let error = from_file(&app("one", "missing"), flags()).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot read the app secret ")
            && error.to_string().ends_with("missing"),
        "{error}"
    );
}

#[test]
fn production_takes_an_app_or_no_sessions() {
    let flags = ServeOverrides::default;
    let production = "[session]\nproduction = true\n";
    refused(production, flags(), "session.apps", "openssl rand -hex 32");
    assert!(!of("[session]\nproduction = true\nenabled = false\n").enabled);
    assert!(of(&format!("{production}{TWO_APPS}")).production);
    let weak = format!(
        "{production}[session.livekit]\nurl = \"wss://m.example.org\"\nkey = \"k\"\n\
         secret_file = \"short\"\n{TWO_APPS}"
    );
    refused(&weak, flags(), "session.livekit.secret_file", "has 7");
}

#[test]
fn a_livekit_server_means_livekit_unless_a_flag_says_otherwise() {
    let table =
        "[session.livekit]\nurl = \"ws://127.0.0.1:7880\"\nkey = \"k\"\nsecret_file = \"a\"\n";
    assert!(matches!(of(table).engine, EngineChoice::LiveKit { .. }));
    let flags = ServeOverrides {
        engine: Some(EngineMode::Embedded),
        ..ServeOverrides::default()
    };
    let session = from_file(table, flags.clone()).unwrap();
    assert_eq!(session.engine, EngineChoice::Embedded);
    let contradiction = ServeOverrides {
        livekit_key: Some("k".to_owned()),
        ..flags
    };
    refused(table, contradiction, "session.engine", "keep one of them");
    let both = format!("[session]\nengine = \"embedded\"\n{table}");
    refused(
        &both,
        ServeOverrides::default(),
        "session.engine",
        "keep one of them",
    );
}

#[test]
fn what_livekit_lacks_is_named() {
    let flags = ServeOverrides::default;
    let engine = "[session]\nengine = \"livekit\"\n[session.livekit]\n";
    let url = "url = \"ws://127.0.0.1:7880\"\n";
    refused(engine, flags(), "session.livekit.url", "needs the URL");
    let no_key = format!("{engine}{url}");
    refused(&no_key, flags(), "session.livekit.key", "`keys`");
    let no_secret = format!("{engine}{url}key = \"k\"\n");
    refused(
        &no_secret,
        flags(),
        "session.livekit.secret_file",
        "GREENROOM_LIVEKIT_SECRET",
    );
    let error = from_file("[session.livekit]\nurl = \"media\"\n", flags()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("at line 2, column 7: it is no URL"),
        "{error}"
    );
}

#[test]
fn key_and_secret_of_the_engine_belong_together() {
    let flags = ServeOverrides::default;
    refused(
        "[session]\nengine_api_key = \"k\"\n",
        flags(),
        "session.engine_api_secret_file",
        "GREENROOM_ENGINE_API_SECRET",
    );
    refused(
        "[session]\nengine_api_secret_file = \"a\"\n",
        flags(),
        "session.engine_api_key",
        "needs its key",
    );
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    for (line, key) in [
        ("max_sessions = 0", "session.max_sessions"),
        ("max_users_per_session = 0", "session.max_users_per_session"),
        ("removed_after_seconds = 4", "session.removed_after_seconds"),
        ("reservation_seconds = 0", "session.reservation_seconds"),
        (
            "passcode_tries_per_minute = 0",
            "session.passcode_tries_per_minute",
        ),
        (
            "engine_advertised_addresses = [\"0.0.0.0\"]",
            "session.engine_advertised_addresses",
        ),
    ] {
        let text = format!("[session]\n{line}\n");
        refused(&text, ServeOverrides::default(), key, "");
    }
}

#[test]
fn the_built_in_responder_has_no_sessions() {
    assert!(!ServeConfig::local().session.enabled);
}
