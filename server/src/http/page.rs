//! The page that people see who open the server's URL in a browser.

use axum::http::{HeaderMap, header::HOST};
use greenroom_protocol::discovery::Preset;

/// Longest `Host` header that is shown.
const MAX_HOST: usize = 253 + 6;

/// The page, for a server that is reached at `url`.
pub(super) fn render(url: &str, preset: Option<&Preset>) -> String {
    let url = escape(url);
    let name = preset
        .map(|preset| escape(&preset.name))
        .filter(|name| !name.is_empty())
        .map_or_else(String::new, |name| {
            format!("<p>It belongs to <b>{name}</b>.</p>\n")
        });
    let support = preset
        .and_then(|preset| preset.support_contact.as_deref())
        .map_or_else(String::new, |contact| {
            format!("<p>Help: {}</p>\n", escape(contact))
        });
    format!(
        "<!doctype html>\n\
         <html lang=\"en\">\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Greenroom server</title>\n\
         <h1>Greenroom server</h1>\n\
         {name}\
         <p>Before a call, Greenroom tells whether it will work, and if not, why.\n\
         This is the server that it measures against. On your machine, run:</p>\n\
         <pre>greenroom check --server {url}</pre>\n\
         {support}"
    )
}

/// The URL under which the request came in; `fallback` when its `Host` is none that can be shown.
pub(super) fn url_of_request(headers: &HeaderMap, tls: bool, fallback: &str) -> String {
    let scheme = if tls { "https" } else { "http" };
    headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .filter(|host| is_host(host))
        .map_or_else(|| fallback.to_owned(), |host| format!("{scheme}://{host}"))
}

/// Only what a host and port consist of: people copy the command into a shell.
fn is_host(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    !text.is_empty() && text.len() <= MAX_HOST && text.chars().all(allowed)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(host: &'static str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        url_of_request(&headers, true, "https://fallback")
    }

    #[test]
    fn a_host_that_a_shell_or_browser_would_interpret_is_not_shown() {
        assert_eq!(url("probe.example:8443"), "https://probe.example:8443");
        assert_eq!(url("[2001:db8::1]:8443"), "https://[2001:db8::1]:8443");
        assert_eq!(url("a;rm"), "https://fallback");
        assert_eq!(url("<script>"), "https://fallback");
    }

    #[test]
    fn what_the_operator_wrote_is_escaped() {
        let preset = Preset {
            name: "<b>A&B</b>".into(),
            support_contact: Some("\"help\"".into()),
            ..Preset::default()
        };
        let page = render("https://x", Some(&preset));
        assert!(page.contains("&lt;b&gt;A&amp;B&lt;/b&gt;"));
        assert!(page.contains("&quot;help&quot;"));
        assert!(page.contains("greenroom check --server https://x"));
    }
}
