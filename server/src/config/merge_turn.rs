//! The part of the settings that is about STUN and TURN.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use super::{
    file::{ConfigError, LimitsTable, TurnTable, read_text},
    merge::set,
    overrides::ServeOverrides,
    turn::{DEFAULT_RELAY_PORTS, TurnConfig, TurnLimits, TurnSecret},
};

/// Longest realm, in bytes: it is in each first answer to a stranger.
const MAX_REALM_BYTES: usize = 64;
/// A relay that carries less carries no call.
const MIN_ALLOCATION_BPS: u64 = 100_000;

/// Flags before the file's table before the default.
pub(super) fn merge_turn(
    file: TurnTable,
    flags: &ServeOverrides,
) -> Result<TurnConfig, ConfigError> {
    let default = TurnConfig::default();
    let min = flags.turn_min_relay_port.or(file.min_relay_port);
    let max = flags.turn_max_relay_port.or(file.max_relay_port);
    let relay_ports =
        min.unwrap_or(*DEFAULT_RELAY_PORTS.start())..=max.unwrap_or(*DEFAULT_RELAY_PORTS.end());
    Ok(TurnConfig {
        enabled: (flags.turn_enabled.or(file.enabled)).unwrap_or(default.enabled),
        port: flags.turn_port.or(file.port),
        tls_port: flags.turn_tls_port.or(file.tls_port),
        advertised_port: flags.turn_advertised_port.or(file.advertised_port),
        advertised_tls_port: flags.turn_advertised_tls_port.or(file.advertised_tls_port),
        relay_addresses: given(flags.turn_relay_addresses.as_ref(), file.relay_addresses),
        external_addresses: given(
            flags.turn_external_addresses.as_ref(),
            file.external_addresses,
        ),
        relay_ports,
        realm: (flags.turn_realm.clone().or(file.realm)).unwrap_or(default.realm),
        secret: secret(flags, file.secret_file)?,
        allow_peers: given(flags.turn_allow_peers.as_ref(), file.allow_peers),
        deny_peers: given(flags.turn_deny_peers.as_ref(), file.deny_peers),
    })
}

fn given<T: Clone>(flags: Option<&Vec<T>>, file: Option<Vec<T>>) -> Vec<T> {
    flags.cloned().or(file).unwrap_or_default()
}

fn secret(
    flags: &ServeOverrides,
    in_file: Option<PathBuf>,
) -> Result<Option<TurnSecret>, ConfigError> {
    if let Some(secret) = &flags.turn_secret {
        return Ok(Some(secret.clone()));
    }
    let path = flags.turn_secret_file.clone().or(in_file);
    path.map(|path| read_secret(&path)).transpose()
}

fn read_secret(path: &Path) -> Result<TurnSecret, ConfigError> {
    let text = read_text("TURN secret", path)?;
    TurnSecret::new(&text).map_err(|message| ConfigError::setting("turn.secret_file", message))
}

/// Flags before the file's table before the default.
pub(super) fn merge_turn_limits(file: &LimitsTable, flags: &ServeOverrides) -> TurnLimits {
    let mut limits = TurnLimits::default();
    macro_rules! take {
        ($($key:ident),+) => {
            $(set(&mut limits.$key, flags.$key.or(file.$key));)+
        };
    }
    take!(
        max_allocations,
        max_public_allocations,
        max_allocations_per_address,
        max_allocations_per_user,
        max_allocation_bps,
        max_turn_connections,
        max_turn_connections_per_address
    );
    limits
}

/// Whether the settings make sense.
pub(super) fn check_turn(turn: &TurnConfig, limits: &TurnLimits) -> Result<(), ConfigError> {
    let ports = [
        ("turn.advertised_port", turn.advertised_port),
        ("turn.advertised_tls_port", turn.advertised_tls_port),
        ("turn.min_relay_port", Some(*turn.relay_ports.start())),
    ];
    if let Some((key, _)) = ports.into_iter().find(|(_, port)| *port == Some(0)) {
        return Err(ConfigError::setting(key, "clients cannot send to port 0"));
    }
    if turn.relay_ports.is_empty() {
        let (min, max) = (turn.relay_ports.start(), turn.relay_ports.end());
        let message = format!("{max} is less than min_relay_port, which is {min}");
        return Err(ConfigError::setting("turn.max_relay_port", message));
    }
    check_addresses("turn.relay_addresses", &turn.relay_addresses)?;
    check_addresses("turn.external_addresses", &turn.external_addresses)?;
    check_realm(&turn.realm)?;
    check_turn_limits(limits)
}

fn check_addresses(key: &'static str, addresses: &[IpAddr]) -> Result<(), ConfigError> {
    let useless = |ip: &&IpAddr| ip.is_unspecified() || ip.is_multicast();
    if let Some(ip) = addresses.iter().find(useless) {
        let message = format!("{ip} is no address of one machine");
        return Err(ConfigError::setting(key, message));
    }
    let n_ipv4 = addresses.iter().filter(|ip| ip.is_ipv4()).count();
    if n_ipv4 > 1 || addresses.len() - n_ipv4 > 1 {
        return Err(ConfigError::setting(
            key,
            "one IPv4 address and one IPv6 address at most",
        ));
    }
    Ok(())
}

fn check_realm(realm: &str) -> Result<(), ConfigError> {
    let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\' && c != ':';
    if realm.is_empty() || realm.len() > MAX_REALM_BYTES || !realm.chars().all(plain) {
        return Err(ConfigError::setting(
            "turn.realm",
            format!(
                "1 to {MAX_REALM_BYTES} ASCII letters, digits and signs, without spaces, quotes, backslashes and colons"
            ),
        ));
    }
    Ok(())
}

fn check_turn_limits(limits: &TurnLimits) -> Result<(), ConfigError> {
    let at_least_one = [
        ("limits.max_allocations", limits.max_allocations),
        (
            "limits.max_allocations_per_address",
            limits.max_allocations_per_address,
        ),
        (
            "limits.max_allocations_per_user",
            limits.max_allocations_per_user,
        ),
        ("limits.max_turn_connections", limits.max_turn_connections),
        (
            "limits.max_turn_connections_per_address",
            limits.max_turn_connections_per_address,
        ),
    ];
    if let Some((key, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
        let message = "0 lets nobody in; turn.enabled = false switches STUN and TURN off";
        return Err(ConfigError::setting(key, message));
    }
    if limits.max_allocation_bps < MIN_ALLOCATION_BPS {
        return Err(ConfigError::setting(
            "limits.max_allocation_bps",
            format!("{MIN_ALLOCATION_BPS} at least; less carries no call"),
        ));
    }
    Ok(())
}
