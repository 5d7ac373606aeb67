//! Certificates, good and bad.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use greenroom_lab::addresses;
use libtest_mimic::Trial;

use crate::client::Checked;
use crate::names::NAME;
use crate::reach::nginx;
use crate::scene::{PORT, Scene, good_link};
use crate::{tool, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_good_certificate_raises_no_finding", good),
        trial("an_unknown_authority_is_named", unknown_authority),
        trial("an_expired_certificate_is_named", expired),
        trial("a_certificate_for_another_name_is_named", wrong_name),
        trial("a_tls_version_that_is_too_old_is_named", too_old),
        trial("plain_http_at_a_tls_port_is_named", no_tls),
    ]
}

/// The authority and its certificates, made once.
pub(crate) struct Certificates(PathBuf);

pub(crate) fn certificates() -> &'static Certificates {
    static MADE: OnceLock<Certificates> = OnceLock::new();
    MADE.get_or_init(Certificates::make)
}

const NEW_KEY: [&str; 5] = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
];

impl Certificates {
    /// On the sandbox's own file system.
    fn make() -> Self {
        let made = Self("/run/certificates".into());
        std::fs::create_dir_all(&made.0).unwrap();
        let authority = made.openssl(
            None,
            "req -x509 -days 30 -keyout ca.key -out ca.pem -subj /CN=Lab",
        );
        tool::run(&mut { authority });
        let server = format!("IP:{}", addresses::SERVER_V4);
        made.sign("good", &server, None);
        made.sign("expired", &server, Some("2020-01-01"));
        made.sign("other", "DNS:other.example", None);
        made.sign("named", &format!("DNS:{NAME}"), None);
        made
    }

    fn openssl(&self, day: Option<&str>, words: &str) -> Command {
        let openssl = tool::find("openssl", "openssl");
        let mut command = match day {
            None => Command::new(openssl),
            Some(day) => {
                let mut command = Command::new(tool::find("faketime", "faketime"));
                command.args([day, &openssl]);
                command
            }
        };
        command.args(words.split(' ')).current_dir(&self.0);
        if words.starts_with("req") {
            command.args(NEW_KEY);
        }
        command
    }

    fn sign(&self, name: &str, subject: &str, day: Option<&str>) {
        tool::run(&mut self.openssl(
            None,
            &format!(
                "req -new -keyout {name}.key -out {name}.csr -subj /CN=server \
                 -addext subjectAltName={subject}"
            ),
        ));
        tool::run(&mut self.openssl(
            day,
            &format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 \
                 -copy_extensions copy -out {name}.pem"
            ),
        ));
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.0.join(Path::new(file)).display().to_string()
    }
}

/// Checks a server with this certificate; `trusted` says whether its authority is known.
fn check(certificate: &str, trusted: bool) -> Checked {
    let made = certificates();
    let mut scene = Scene::without_server(good_link(), good_link(), 1);
    scene.serve(&[
        "--tls",
        "pem",
        "--tls-certificate",
        &made.path(&format!("{certificate}.pem")),
        "--tls-key",
        &made.path(&format!("{certificate}.key")),
    ]);
    ask(&scene, trusted)
}

fn ask(scene: &Scene, trusted: bool) -> Checked {
    let url = format!("https://{}:{PORT}", scene.lab.server().ipv4());
    let client = scene.client_for(&url).quick();
    let client = if trusted {
        client
            .argument("--ca")
            .argument(&certificates().path("ca.pem"))
    } else {
        client
    };
    client.run()
}

fn good() {
    let checked = check("good", true);
    checked.assert_healthy();
    assert!(checked.report.discovery.data().unwrap().tls);
}

fn unknown_authority() {
    check("good", false).assert_named("network.discovery.tls_unknown_issuer", &[], 4);
}

fn expired() {
    check("expired", true).assert_named("network.discovery.tls_expired", &[], 4);
}

fn wrong_name() {
    check("other", true).assert_named("network.discovery.tls_wrong_name", &[], 4);
}

fn too_old() {
    let made = certificates();
    let scene = Scene::without_server(good_link(), good_link(), 1);
    let block = format!(
        "listen {PORT} ssl; ssl_certificate {}; ssl_certificate_key {}; \
         ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;",
        made.path("good.pem"),
        made.path("good.key")
    );
    let _web = nginx(&scene, &block, PORT);
    ask(&scene, true).assert_named(
        "network.web.tls_too_old",
        &["network.discovery.tls_failed"],
        4,
    );
}

fn no_tls() {
    let scene = Scene::healthy();
    ask(&scene, true).assert_named("network.discovery.tls_failed", &[], 4);
}
