//! TLS: the trial certificate, PEM files, and what can be wrong with them.

use std::{error::Error, fs, path::PathBuf};

use greenroom_protocol::discovery::{DISCOVERY_PATH, Discovery};
use greenroom_server::{ErrorKind, ServeConfig, ServeError, Server, TlsConfig};

async fn discover(url: String, ca_pem: &str) -> reqwest::Result<Discovery> {
    let ca = reqwest::Certificate::from_pem(ca_pem.as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([ca])
        .build()
        .unwrap();
    client.get(url + DISCOVERY_PATH).send().await?.json().await
}

fn config(tls: TlsConfig) -> ServeConfig {
    ServeConfig {
        tls,
        ..ServeConfig::local()
    }
}

#[tokio::test]
async fn the_trial_certificate_serves_as_ca_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let server = Server::start(config(TlsConfig::SelfSigned {
        names: Vec::new(),
        write_certificate_to: Some(file.clone()),
    }))
    .await
    .unwrap();
    let certificate = server.certificate().unwrap();
    let pem = fs::read_to_string(file).unwrap();
    assert_eq!(Some(&pem), certificate.trial_pem.as_ref());
    assert!(!pem.contains("PRIVATE KEY"));
    assert_eq!(certificate.fingerprint_sha256.len(), 32 * 3 - 1);
    assert!(server.base_url().starts_with("https://127.0.0.1:"));
    let document = discover(server.base_url(), &pem).await.unwrap();
    assert_eq!(document.measure.udp_port, server.udp_addr().port());
    let localhost = format!("https://localhost:{}", server.http_addr().port());
    discover(localhost, &pem).await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_know_the_certificate_refuses_it() {
    let tls = || {
        config(TlsConfig::SelfSigned {
            names: vec!["127.0.0.1".into()],
            write_certificate_to: None,
        })
    };
    let server = Server::start(tls()).await.unwrap();
    let other = Server::start(tls()).await.unwrap();
    let other = other.certificate().unwrap().trial_pem.clone().unwrap();
    assert!(discover(server.base_url(), &other).await.is_err());
}

/// Certificate and key in PEM files, made for the test.
fn pem_pair(folder: &tempfile::TempDir, name: &str) -> (PathBuf, PathBuf, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = folder.path().join(format!("{name}.pem"));
    let key = folder.path().join(format!("{name}.key"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key, made.cert.pem())
}

#[tokio::test]
async fn certificate_and_key_from_files_serve() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key, pem) = pem_pair(&folder, "own");
    let server = Server::start(config(TlsConfig::Pem { certificate, key }))
        .await
        .unwrap();
    assert_eq!(server.certificate().unwrap().trial_pem, None);
    discover(server.base_url(), &pem).await.unwrap();
}

async fn start_error(certificate: PathBuf, key: PathBuf) -> ServeError {
    let config = config(TlsConfig::Pem { certificate, key });
    Server::start(config).await.unwrap_err()
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_told_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key, _) = pem_pair(&folder, "own");
    let (_, other_key, _) = pem_pair(&folder, "other");

    let mismatch = start_error(certificate.clone(), other_key).await;
    assert!(matches!(mismatch, ServeError::CertificateAndKey { .. }));
    assert_eq!(mismatch.kind(), ErrorKind::Configuration);
    let text = chain(&mismatch);
    assert!(
        text.contains("own.pem") && text.contains("other.key"),
        "{text}"
    );

    let missing = start_error(folder.path().join("none.pem"), key.clone()).await;
    let text = chain(&missing);
    assert!(
        text.starts_with("cannot read the certificate from"),
        "{text}"
    );
    assert!(
        text.contains("none.pem") && text.contains("No such file"),
        "{text}"
    );

    let swapped = start_error(key, certificate.clone()).await;
    assert!(matches!(
        swapped,
        ServeError::ReadPem { .. } | ServeError::NoCertificate { .. }
    ));

    let no_key = start_error(certificate.clone(), certificate).await;
    assert!(chain(&no_key).starts_with("cannot read the private key from"));
}
