//! Flags before environment before file before default, and the checks on the result.

use std::{net::SocketAddr, path::Path, time::Duration};

use greenroom_protocol::{
    discovery::{MAX_DOCUMENT_BYTES, Preset},
    measure::limits::{Limits, MAX_DATAGRAM_BYTES, MIN_ECHO_BYTES},
};

use greenroom_reports::verdict::profile::Profile;

use super::{
    file::{self, ConfigError, LimitsTable, PresetTable, ReadFile, TlsMode, TlsTable},
    limits::ServeLimits,
    merge_session::{check_session, merge_session},
    merge_turn::{check_turn, merge_turn, merge_turn_limits},
    overrides::ServeOverrides,
    serve::{ServeConfig, TlsConfig, UdpPort},
};

/// A load slower or smaller than that tells nothing of a link: what one call takes, for a second.
const MIN_LOAD_BPS: u64 = 100_000;
const MIN_LOAD_BYTES: u64 = 100_000;
/// Room in the discovery document for what is not the preset.
const DOCUMENT_OVERHEAD_BYTES: usize = 2048;

impl ServeConfig {
    /// The configuration from `overrides` (flags and environment), the `file` where they say
    /// nothing, and the defaults where neither does.
    ///
    /// Paths in the file are relative to its folder, paths in the overrides to the working
    /// directory. Certificates are read when the server starts, the profile here.
    ///
    /// # Errors
    /// When the file or a profile cannot be read or parsed (with line and column), when settings
    /// contradict one another, or when a value is out of range.
    pub fn resolve(file: Option<&Path>, overrides: ServeOverrides) -> Result<Self, ConfigError> {
        let file = file.map(file::read).transpose()?.unwrap_or_default();
        let config = merge(file, overrides)?;
        check(&config)?;
        Ok(config)
    }
}

fn merge(file: ReadFile, flags: ServeOverrides) -> Result<ServeConfig, ConfigError> {
    let ReadFile {
        content: file,
        profile,
    } = file;
    let default = ServeConfig::default();
    Ok(ServeConfig {
        version: default.version.clone(),
        listen: flags.listen.or(file.listen).unwrap_or(default.listen),
        udp_port: (flags.udp_port.or(file.udp_port)).map_or(default.udp_port, UdpPort::from),
        advertised_udp_port: flags.advertised_udp_port.or(file.advertised_udp_port),
        tls: merge_tls(&file.tls, &flags)?,
        turn: merge_turn(file.turn, &flags)?,
        session: merge_session(file.session, &flags)?,
        preset: merge_preset(file.preset, profile, &flags)?,
        limits: merge_limits(&file.limits, &flags),
        public_url: flags.public_url.or(file.public_url),
        metrics_listen: flags.metrics_listen.or(file.metrics_listen),
        metrics_public: flags.metrics_public.or(file.metrics_public) == Some(true),
        trusted_proxies: (flags.trusted_proxies.or(file.trusted_proxies)).unwrap_or_default(),
    })
}

/// Flags that name another kind of TLS than the file replace the file's table as a whole.
fn merge_tls(file: &TlsTable, flags: &ServeOverrides) -> Result<TlsConfig, ConfigError> {
    let from_flags = TlsTable {
        mode: flags.tls,
        certificate: flags.tls_certificate.clone(),
        key: flags.tls_key.clone(),
        names: flags.tls_names.clone(),
        write_certificate_to: flags.tls_write_certificate_to.clone(),
    };
    let file_mode = implied_mode(file)?;
    let mode = implied_mode(&from_flags)?.or(file_mode);
    let file = if mode == file_mode {
        file.clone()
    } else {
        TlsTable::default()
    };
    tls_config(
        mode.unwrap_or(TlsMode::None),
        TlsTable {
            mode,
            certificate: from_flags.certificate.or(file.certificate),
            key: from_flags.key.or(file.key),
            names: from_flags.names.or(file.names),
            write_certificate_to: from_flags
                .write_certificate_to
                .or(file.write_certificate_to),
        },
    )
}

/// The kind of TLS that a table means; a certificate without a mode means PEM.
fn implied_mode(table: &TlsTable) -> Result<Option<TlsMode>, ConfigError> {
    let pem = table.certificate.is_some() || table.key.is_some();
    let trial = table.names.is_some() || table.write_certificate_to.is_some();
    let contradiction = |message: &str| Err(ConfigError::setting("tls.mode", message));
    match (table.mode, pem, trial) {
        (None | Some(TlsMode::Pem), true, true) | (Some(TlsMode::Pem), _, true) => contradiction(
            "names and write_certificate_to belong to mode \"self-signed\", not to a certificate from files",
        ),
        (Some(TlsMode::SelfSigned), true, _) => contradiction(
            "certificate and key belong to mode \"pem\"; a self-signed certificate is made at the start",
        ),
        (Some(TlsMode::None), pem, trial) if pem || trial => {
            contradiction("mode is \"none\", yet a certificate is described")
        }
        (None, true, false) => Ok(Some(TlsMode::Pem)),
        (None, false, true) => Ok(Some(TlsMode::SelfSigned)),
        (mode, ..) => Ok(mode),
    }
}

fn tls_config(mode: TlsMode, table: TlsTable) -> Result<TlsConfig, ConfigError> {
    match mode {
        TlsMode::None => Ok(TlsConfig::None),
        TlsMode::SelfSigned => Ok(TlsConfig::SelfSigned {
            names: table.names.unwrap_or_default(),
            write_certificate_to: table.write_certificate_to,
        }),
        TlsMode::Pem => match (table.certificate, table.key) {
            (Some(certificate), Some(key)) => Ok(TlsConfig::Pem { certificate, key }),
            (None, _) => Err(ConfigError::setting(
                "tls.certificate",
                "it is missing; TLS from PEM files needs certificate and key",
            )),
            (_, None) => Err(ConfigError::setting(
                "tls.key",
                "it is missing; TLS from PEM files needs certificate and key",
            )),
        },
    }
}

fn merge_preset(
    file: Option<PresetTable>,
    described: Option<Profile>,
    flags: &ServeOverrides,
) -> Result<Option<Preset>, ConfigError> {
    let from_flags = flags.preset_name.is_some()
        || flags.preset_profile_file.is_some()
        || flags.preset_support_contact.is_some()
        || flags.preset_targets.is_some();
    if file.is_none() && !from_flags {
        return Ok(None);
    }
    let file = file.unwrap_or_default();
    if described.is_some() && file.profile_file.is_some() {
        return Err(ConfigError::setting(
            "preset.profile_file",
            "preset.profile is given too; keep one of them",
        ));
    }
    let profile = match (&flags.preset_profile_file, described, file.profile_file) {
        (Some(path), _, _) => Some(file::read_profile(path)?),
        (None, Some(profile), _) => Some(profile),
        (None, None, Some(path)) => Some(file::read_profile(&path)?),
        (None, None, None) => None,
    };
    Ok(Some(Preset {
        name: (flags.preset_name.clone().or(file.name)).unwrap_or_default(),
        profile,
        support_contact: flags
            .preset_support_contact
            .clone()
            .or(file.support_contact),
        targets: (flags.preset_targets.clone().or(file.targets)).unwrap_or_default(),
    }))
}

fn merge_limits(file: &LimitsTable, flags: &ServeOverrides) -> ServeLimits {
    let mut limits = ServeLimits::default();
    let measure = &mut limits.measure;
    let session_seconds = flags.max_session_seconds.or(file.max_session_seconds);
    set(
        &mut measure.max_session_ms,
        session_seconds.map(|seconds| seconds.saturating_mul(1000)),
    );
    macro_rules! take {
        ($target:expr, $($key:ident),+) => {
            $(set(&mut $target.$key, flags.$key.or(file.$key));)+
        };
    }
    take!(
        measure,
        max_packets_per_second,
        max_datagram_bytes,
        max_sessions,
        max_sessions_per_address,
        max_opens_per_minute_per_address,
        max_challenges_per_second,
        max_loads,
        max_load_bps,
        max_load_bytes,
        max_egress_bps
    );
    take!(
        limits,
        max_connections,
        max_connections_per_address,
        max_websockets,
        max_websockets_per_address
    );
    let idle = flags.websocket_idle_seconds.or(file.websocket_idle_seconds);
    set(
        &mut limits.websocket_idle,
        idle.map(|seconds| Duration::from_secs(seconds.into())),
    );
    limits.turn = merge_turn_limits(file, flags);
    limits
}

pub(super) fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

fn check(config: &ServeConfig) -> Result<(), ConfigError> {
    check_limits(&config.limits)?;
    check_turn(&config.turn, &config.limits.turn)?;
    check_session(&config.session)?;
    if config.advertised_udp_port == Some(0) {
        return Err(ConfigError::setting(
            "advertised_udp_port",
            "clients cannot send to port 0",
        ));
    }
    if let Some(metrics) = config.metrics_listen {
        check_metrics_listen(config.listen, metrics)?;
    }
    if let Some(url) = &config.public_url
        && !(url.starts_with("http://") || url.starts_with("https://"))
    {
        return Err(ConfigError::setting(
            "public_url",
            format!("{url:?} does not begin with http:// or https://"),
        ));
    }
    config.preset.as_ref().map_or(Ok(()), check_preset)
}

fn check_metrics_listen(listen: SocketAddr, metrics: SocketAddr) -> Result<(), ConfigError> {
    if metrics == listen && metrics.port() != 0 {
        return Err(ConfigError::setting(
            "metrics_listen",
            format!("{metrics} is the address of listen; give it another port"),
        ));
    }
    Ok(())
}

fn check_limits(limits: &ServeLimits) -> Result<(), ConfigError> {
    let measure = &limits.measure;
    let at_least_one = [
        (
            "limits.max_session_seconds",
            u64::from(measure.max_session_ms),
        ),
        (
            "limits.max_packets_per_second",
            measure.max_packets_per_second.into(),
        ),
        ("limits.max_sessions", measure.max_sessions as u64),
        (
            "limits.max_sessions_per_address",
            measure.max_sessions_per_address as u64,
        ),
        (
            "limits.max_opens_per_minute_per_address",
            measure.max_opens_per_minute_per_address.into(),
        ),
        (
            "limits.max_challenges_per_second",
            measure.max_challenges_per_second.into(),
        ),
        ("limits.max_connections", limits.max_connections as u64),
        (
            "limits.max_connections_per_address",
            limits.max_connections_per_address as u64,
        ),
        ("limits.max_websockets", limits.max_websockets as u64),
        (
            "limits.max_websockets_per_address",
            limits.max_websockets_per_address as u64,
        ),
        (
            "limits.websocket_idle_seconds",
            limits.websocket_idle.as_secs(),
        ),
    ];
    if let Some((key, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
        return Err(ConfigError::setting(key, "0 lets nobody in; at least 1"));
    }
    check_load_limits(measure)?;
    let bytes = measure.max_datagram_bytes;
    if !(MIN_ECHO_BYTES..=MAX_DATAGRAM_BYTES).contains(&bytes) {
        return Err(ConfigError::setting(
            "limits.max_datagram_bytes",
            format!("{bytes} is not between {MIN_ECHO_BYTES} and {MAX_DATAGRAM_BYTES}"),
        ));
    }
    Ok(())
}

/// Loads are switched off by `max_loads`, so that what is advertised is of use.
fn check_load_limits(measure: &Limits) -> Result<(), ConfigError> {
    let least = [
        ("limits.max_load_bps", measure.max_load_bps, MIN_LOAD_BPS),
        (
            "limits.max_egress_bps",
            measure.max_egress_bps,
            MIN_LOAD_BPS,
        ),
        (
            "limits.max_load_bytes",
            measure.max_load_bytes,
            MIN_LOAD_BYTES,
        ),
    ];
    match least.into_iter().find(|(_, value, least)| value < least) {
        Some((key, value, least)) => Err(ConfigError::setting(
            key,
            format!("{value} is less than {least}; max_loads = 0 switches loads off"),
        )),
        None => Ok(()),
    }
}

fn check_preset(preset: &Preset) -> Result<(), ConfigError> {
    let bytes = serde_json::to_vec(preset).map_or(usize::MAX, |json| json.len());
    let room = MAX_DOCUMENT_BYTES - DOCUMENT_OVERHEAD_BYTES;
    if bytes > room {
        return Err(ConfigError::setting(
            "preset",
            format!("it takes {bytes} bytes of JSON; clients read {room} at most"),
        ));
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/merge.rs"]
mod tests;
