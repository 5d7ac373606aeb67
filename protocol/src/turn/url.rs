//! URLs of STUN and TURN servers.
//!
//! Source: RFC 7064 and RFC 7065; the forms are those of `RTCIceServer.urls` of the W3C.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Port of STUN and TURN over UDP and TCP (RFC 8489 §8.1).
pub const DEFAULT_PORT: u16 = 3478;
/// Port of STUN and TURN over TLS.
pub const DEFAULT_TLS_PORT: u16 = 5349;
/// Longest URL that is read, in bytes: a DNS name has 253 at most.
const MAX_BYTES: usize = 512;

/// A STUN or TURN server, as URLs name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IceUrl {
    /// What is spoken, and whether over TLS.
    pub scheme: IceScheme,
    /// Name or address, the latter without brackets.
    pub host: String,
    /// Port, the scheme's own when the URL names none.
    pub port: u16,
    /// `?transport=`, where the URL has one.
    pub transport: Option<IceTransport>,
}

/// The scheme of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IceScheme {
    /// `stun:`
    Stun,
    /// `stuns:`
    Stuns,
    /// `turn:`
    Turn,
    /// `turns:`
    Turns,
}

/// `?transport=` of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IceTransport {
    /// `udp`
    Udp,
    /// `tcp`
    Tcp,
}

impl IceScheme {
    const ALL: [Self; 4] = [Self::Stun, Self::Stuns, Self::Turn, Self::Turns];

    const fn word(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Stuns => "stuns",
            Self::Turn => "turn",
            Self::Turns => "turns",
        }
    }

    /// Over TLS.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Stuns | Self::Turns)
    }

    /// TURN, not STUN alone.
    pub const fn is_turn(self) -> bool {
        matches!(self, Self::Turn | Self::Turns)
    }
}

/// What is wrong with a URL; each names the part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IceUrlError {
    /// Longer than any server's URL.
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// A space or control character.
    #[error("it holds {0:?}, which no URL may; is there a space too many?")]
    BadCharacter(char),
    /// No scheme at all.
    #[error("it begins with no scheme; write turn:{0}, turns:{0} or stun:{0}")]
    NoScheme(String),
    /// A scheme of something else.
    #[error("{0:?} is no scheme of STUN or TURN; use stun:, stuns:, turn: or turns:")]
    UnknownScheme(String),
    /// `turn://host`.
    #[error("there is no // behind the scheme of a STUN or TURN URL; write {0}")]
    Slashes(String),
    /// Nothing where the host should be.
    #[error("it names no host")]
    NoHost,
    /// A host that is neither name nor address.
    #[error("{0:?} is neither a host name nor an address; an IPv6 address stands in [ ]")]
    BadHost(String),
    /// A name or password before the host.
    #[error(
        "it holds a user name before {0:?}, which does not belong into the URL; give it on its own"
    )]
    Userinfo(String),
    /// A port that is none.
    #[error("{0:?} is no port; a port is a number from 1 to 65535")]
    BadPort(String),
    /// A query that is not `transport=`.
    #[error("{0:?} is not known behind ?; only transport=udp and transport=tcp are")]
    UnknownQuery(String),
    /// `?transport=` of a STUN URL.
    #[error("?transport= belongs to TURN URLs alone")]
    StunTransport,
    /// `turns:` over UDP, which is DTLS.
    #[error(
        "turns: with transport=udp is TURN over DTLS, which is not supported; use transport=tcp"
    )]
    Dtls,
}

impl FromStr for IceUrl {
    type Err = IceUrlError;

    fn from_str(text: &str) -> Result<Self, IceUrlError> {
        if text.len() > MAX_BYTES {
            return Err(IceUrlError::TooLong);
        }
        if let Some(bad) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
            return Err(IceUrlError::BadCharacter(bad));
        }
        let (scheme, rest) = scheme(text)?;
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        let (host, port) = host_and_port(authority)?;
        let transport = query.map(|query| transport(scheme, query)).transpose()?;
        let default = if scheme.is_secure() {
            DEFAULT_TLS_PORT
        } else {
            DEFAULT_PORT
        };
        Ok(Self {
            scheme,
            host,
            port: port.unwrap_or(default),
            transport,
        })
    }
}

fn scheme(text: &str) -> Result<(IceScheme, &str), IceUrlError> {
    let Some((word, rest)) = text.split_once(':') else {
        return Err(IceUrlError::NoScheme(text.to_owned()));
    };
    let known = |scheme: &IceScheme| scheme.word().eq_ignore_ascii_case(word);
    let Some(scheme) = IceScheme::ALL.into_iter().find(known) else {
        // `host:3478` has a colon too.
        let is_port = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
        let error = if is_port {
            IceUrlError::NoScheme(text.to_owned())
        } else {
            IceUrlError::UnknownScheme(word.to_owned())
        };
        return Err(error);
    };
    match rest.strip_prefix("//") {
        Some(rest) => Err(IceUrlError::Slashes(format!("{}:{rest}", scheme.word()))),
        None => Ok((scheme, rest)),
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), IceUrlError> {
    if let Some((_user, host)) = authority.rsplit_once('@') {
        return Err(IceUrlError::Userinfo(host.to_owned()));
    }
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let bad = || IceUrlError::BadHost(authority.to_owned());
        let (host, port) = rest.split_once(']').ok_or_else(bad)?;
        host.parse::<Ipv6Addr>().map_err(|_not_an_address| bad())?;
        match port.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if port.is_empty() => (host, None),
            None => return Err(bad()),
        }
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() {
        return Err(IceUrlError::NoHost);
    }
    if !authority.starts_with('[') && !is_name(host) {
        return Err(IceUrlError::BadHost(authority.to_owned()));
    }
    // Without the bracket an IPv6 address looks like a name with an odd port.
    if !authority.starts_with('[') && authority.parse::<Ipv6Addr>().is_ok() {
        return Err(IceUrlError::BadHost(authority.to_owned()));
    }
    Ok((host.to_owned(), port.map(read_port).transpose()?))
}

/// A DNS name or an IPv4 address, by its characters; underscores are seen in practice.
fn is_name(host: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    host.len() <= 253 && host.chars().all(allowed) && !host.starts_with('.')
}

fn read_port(text: &str) -> Result<u16, IceUrlError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port > 0);
    port.ok_or_else(|| IceUrlError::BadPort(text.to_owned()))
}

fn transport(scheme: IceScheme, query: &str) -> Result<IceTransport, IceUrlError> {
    let unknown = || IceUrlError::UnknownQuery(query.to_owned());
    let value = query.strip_prefix("transport=").ok_or_else(unknown)?;
    let transport = match value.to_ascii_lowercase().as_str() {
        "udp" => IceTransport::Udp,
        "tcp" => IceTransport::Tcp,
        _ => return Err(unknown()),
    };
    match (scheme, transport) {
        (IceScheme::Stun | IceScheme::Stuns, _) => Err(IceUrlError::StunTransport),
        (IceScheme::Turns, IceTransport::Udp) => Err(IceUrlError::Dtls),
        _ => Ok(transport),
    }
}

impl fmt::Display for IceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, port) = (self.scheme.word(), self.port);
        if self.host.contains(':') {
            write!(f, "{scheme}:[{}]:{port}", self.host)?;
        } else {
            write!(f, "{scheme}:{}:{port}", self.host)?;
        }
        match self.transport {
            Some(IceTransport::Udp) => f.write_str("?transport=udp"),
            Some(IceTransport::Tcp) => f.write_str("?transport=tcp"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, IceUrlError> {
        text.parse::<IceUrl>().map(|url| url.to_string())
    }

    #[test]
    fn urls_of_the_standard_are_read() {
        for (text, whole) in [
            ("stun:example.org", "stun:example.org:3478"),
            ("stuns:example.org", "stuns:example.org:5349"),
            ("turn:example.org:80", "turn:example.org:80"),
            ("TURNS:example.org", "turns:example.org:5349"),
            (
                "turn:192.0.2.1?transport=tcp",
                "turn:192.0.2.1:3478?transport=tcp",
            ),
            (
                "turns:[2001:db8::1]:443?transport=tcp",
                "turns:[2001:db8::1]:443?transport=tcp",
            ),
        ] {
            assert_eq!(read(text).as_deref(), Ok(whole), "{text}");
        }
    }

    #[test]
    fn an_error_names_the_part() {
        use IceUrlError as E;
        let text = |t: &str| t.to_owned();
        for (bad, error) in [
            ("turn:exa mple.org", E::BadCharacter(' ')),
            ("example.org", E::NoScheme(text("example.org"))),
            ("example.org:3478", E::NoScheme(text("example.org:3478"))),
            ("trun:example.org", E::UnknownScheme(text("trun"))),
            ("turn://example.org", E::Slashes(text("turn:example.org"))),
            ("turn:", E::NoHost),
            ("turn::3478", E::NoHost),
            ("turn:exa/mple", E::BadHost(text("exa/mple"))),
            ("turn:2001:db8::1", E::BadHost(text("2001:db8::1"))),
            ("turn:[::1", E::BadHost(text("[::1"))),
            (
                "turn:me:secret@example.org",
                E::Userinfo(text("example.org")),
            ),
            ("turn:example.org:99999", E::BadPort(text("99999"))),
            ("turn:example.org:0", E::BadPort(text("0"))),
            ("turn:example.org:", E::BadPort(text(""))),
            (
                "turn:example.org?transport=sctp",
                E::UnknownQuery(text("transport=sctp")),
            ),
            ("turn:example.org?x=1", E::UnknownQuery(text("x=1"))),
            ("stun:example.org?transport=udp", E::StunTransport),
            ("turns:example.org?transport=udp", E::Dtls),
        ] {
            assert_eq!(read(bad), Err(error), "{bad}");
        }
        assert_eq!(read(&"turn:x".repeat(200)), Err(E::TooLong));
    }

    proptest! {
        #[test]
        fn what_is_read_reads_the_same_again(text in "(stun|stuns|turn|turns):[a-z0-9.\\[\\]:-]{1,20}(\\?transport=(udp|tcp))?") {
            if let Ok(url) = text.parse::<IceUrl>() {
                prop_assert_eq!(url.to_string().parse::<IceUrl>(), Ok(url));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _either = text.parse::<IceUrl>();
        }
    }
}
