//! The one URL by which a user names a server.

use std::fmt;

use url::Url;

/// `http://` or `https://`, a host, perhaps a port and a path; never userinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// Why a text is no base URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not a URL at all.
    #[error("{text:?} is no URL; write it as https://host or https://host:port")]
    Malformed {
        /// What was given.
        text: String,
        /// What the parser says.
        #[source]
        source: url::ParseError,
    },
    /// Another scheme.
    #[error("{scheme}:// is not spoken here; use https:// (or http:// for a trial)")]
    Scheme {
        /// The scheme given.
        scheme: String,
    },
    /// User name or password in the URL.
    #[error("the URL carries a user name or password, which would end up in logs; leave it out")]
    Userinfo,
}

impl BaseUrl {
    /// Reads what a user wrote. A text without a scheme is taken for `https://`.
    ///
    /// # Errors
    /// When it is no URL, of another scheme, or carries userinfo.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let text = text.trim();
        let full = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let mut url = Url::parse(&full).map_err(|source| BaseUrlError::Malformed {
            text: without_userinfo(text),
            source,
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BaseUrlError::Scheme {
                scheme: url.scheme().to_owned(),
            });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::Userinfo);
        }
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self(url))
    }

    /// The URL of a path below the base.
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{}", path.trim_start_matches('/')));
        url
    }

    /// Host name or address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        let host = self.0.host_str().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }
}

/// A text that was given as URL, with what looks like user name and password left out: an error must
/// not repeat a password, and a URL that cannot be read may hold one anywhere before its last `@`.
pub fn without_userinfo(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}…@{host}"),
        None => url.to_owned(),
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_alone_means_https() {
        let url = BaseUrl::parse("probe.example").unwrap();
        assert_eq!(url.to_string(), "https://probe.example");
        assert_eq!(
            (url.host(), url.port(), url.is_tls()),
            ("probe.example", 443, true)
        );
    }

    #[test]
    fn paths_are_joined_below_the_base() {
        let url = BaseUrl::parse("http://[2001:db8::1]:8080/probe/").unwrap();
        assert_eq!(url.host(), "2001:db8::1");
        let joined = url.join("/.well-known/greenroom");
        assert_eq!(
            joined.as_str(),
            "http://[2001:db8::1]:8080/probe/.well-known/greenroom"
        );
    }

    #[test]
    fn no_error_repeats_a_password() {
        for text in [
            "https://me:hunter2@",
            "https://me:hunter2@a b",
            "me:hunter2@host:x",
        ] {
            let error = BaseUrl::parse(text).unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("hunter2"),
                "{error:?}"
            );
        }
    }

    #[test]
    fn what_is_no_base_url_says_why() {
        assert!(matches!(
            BaseUrl::parse("https://"),
            Err(BaseUrlError::Malformed { .. })
        ));
        assert!(matches!(
            BaseUrl::parse("ftp://x"),
            Err(BaseUrlError::Scheme { .. })
        ));
        assert_eq!(
            BaseUrl::parse("https://me:pw@x"),
            Err(BaseUrlError::Userinfo)
        );
    }
}
