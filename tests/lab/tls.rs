//! Certificates, good and bad.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use greenroom_lab::addresses;
use libtest_mimic::Trial;

use crate::client::{Checked, Client};
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
        trial("a_certificate_that_ends_soon_is_named", ends_soon),
        trial(
            "an_expired_certificate_is_no_portal_though_plain_http_leads_elsewhere",
            expired_behind_redirect,
        ),
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
        made.sign("good", &server, None, 20);
        made.sign("soon", &server, None, 5);
        made.sign("expired", &server, Some("2020-01-01"), 20);
        made.sign("other", "DNS:other.example", None, 20);
        made.sign("named", &format!("DNS:{NAME}"), None, 20);
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

    fn sign(&self, name: &str, subject: &str, day: Option<&str>, n_days: u32) {
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
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {n_days} \
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
    ask(&serving(certificate), trusted)
}

/// A server with this certificate.
pub(crate) fn serving(certificate: &str) -> Scene {
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
    scene
}

fn ask(scene: &Scene, trusted: bool) -> Checked {
    let client = if trusted {
        trusting(scene)
    } else {
        scene.client_for(&url(scene)).quick()
    };
    client.run()
}

fn url(scene: &Scene) -> String {
    format!("https://{}:{PORT}", scene.lab.server().ipv4())
}

/// A client that asks over TLS and knows the authority.
pub(crate) fn trusting(scene: &Scene) -> Client<'_> {
    let client = scene.client_for(&url(scene)).quick();
    let authority = certificates().path("ca.pem");
    client.argument("--ca").argument(&authority)
}

fn good() {
    let checked = check("good", true);
    checked.assert_healthy();
    assert!(checked.report.discovery.data().unwrap().tls);
}

fn unknown_authority() {
    let checked = check("good", false);
    checked.assert_named("network.discovery.tls_unknown_issuer", &[], 4);
    let evidence = &checked.report.findings[0].evidence;
    let issuer = evidence.iter().find(|e| e.metric == "issuer").unwrap();
    let issuer = format!("{:?}", issuer.value);
    assert!(issuer.contains("CN=Lab"), "{issuer}");
}

fn expired() {
    check("expired", true).assert_named("network.discovery.tls_expired", &[], 4);
}

fn ends_soon() {
    let checked = check("soon", true);
    checked.assert_named("network.web.certificate_expires_soon", &[], 0);
}

/// As many servers do: plain HTTP is there for a redirect alone, and that leads to the brand's site.
fn expired_behind_redirect() {
    let scene = serving("expired");
    let block = "listen 80; location / { return 301 https://www.brand.example/; }";
    let _web = nginx(&scene, block, 80);
    let checked = ask(&scene, true);
    checked.assert_named("network.discovery.tls_expired", &[], 4);
    let web = checked.report.web.data().unwrap();
    assert!(web.portal.is_some(), "{web:?}");
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
