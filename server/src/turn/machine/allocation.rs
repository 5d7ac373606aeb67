//! One client's allocation: relay addresses, permissions, channels.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use greenroom_protocol::measure::time::MonotonicTime;
use stun_types::message::{IntegrityKey, TransactionId};

use super::relay::{Client, PortId};
use crate::turn::{buckets::Bucket, credentials::Reach};

/// Lifetime of an allocation when the client asks for none, and the least it gets (RFC 8656 §3.2).
pub(super) const DEFAULT_LIFETIME: Duration = Duration::from_mins(10);
/// Longest lifetime between two refreshes (RFC 8656 §7.2).
pub(super) const MAX_LIFETIME: Duration = Duration::from_hours(1);
/// Lifetime of a permission (RFC 8656 §9).
const PERMISSION_LIFETIME: Duration = Duration::from_mins(5);
/// Lifetime of a channel (RFC 8656 §12).
const CHANNEL_LIFETIME: Duration = Duration::from_mins(10);
/// Numbers of channels (RFC 5766 §11). RFC 8656 §12 ends at 0x4FFF, which clients of the older one,
/// coturn's among them, do not know.
pub(super) const CHANNEL_NUMBERS: RangeInclusive<u16> = 0x4000..=0x7FFF;
/// Permissions of one allocation. A browser asks for one a candidate of its peer.
pub(super) const MAX_PERMISSIONS: usize = 64;
/// Channels of one allocation.
pub(super) const MAX_CHANNELS: usize = 64;

/// A relay address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relayed {
    /// Whose socket it is.
    pub(crate) port: PortId,
    /// As it is bound.
    pub(crate) bound: SocketAddr,
    /// As peers know it.
    pub(crate) known: SocketAddr,
}

/// One allocation.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(super) client: Client,
    pub(super) user: String,
    pub(super) reach: Reach,
    pub(super) key: IntegrityKey,
    /// Of the request that made it, which may come again.
    pub(super) transaction: TransactionId,
    pub(super) relayed: [Option<Relayed>; 2],
    /// The error of the additional address family, told again with the answer.
    pub(super) additional_error: Option<u16>,
    pub(super) expires: MonotonicTime,
    pub(super) rate: Bucket,
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
}

#[derive(Debug)]
struct Permission {
    ip: IpAddr,
    expires: MonotonicTime,
}

#[derive(Debug)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    expires: MonotonicTime,
}

/// Why a channel cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BindError {
    /// The number has another peer, or the peer another number (400).
    Taken,
    /// There are too many (508).
    Full,
}

impl Allocation {
    /// Without permissions and channels.
    pub(super) fn new(
        client: Client,
        user: crate::turn::credentials::User,
        transaction: TransactionId,
        relayed: [Option<Relayed>; 2],
        additional_error: Option<u16>,
        expires: MonotonicTime,
        rate: Bucket,
    ) -> Self {
        Self {
            client,
            user: user.name,
            reach: user.reach,
            key: user.key,
            transaction,
            relayed,
            additional_error,
            expires,
            rate,
            permissions: Vec::new(),
            channels: Vec::new(),
        }
    }

    /// Its relay address of the family of `ip`.
    pub(super) fn relayed_for(&self, ip: IpAddr) -> Option<Relayed> {
        let same_family = |relayed: &&Relayed| relayed.bound.is_ipv4() == ip.is_ipv4();
        self.relayed.iter().flatten().find(same_family).copied()
    }

    /// Whether packets to and from `ip` pass.
    pub(super) fn permits(&self, ip: IpAddr, now: MonotonicTime) -> bool {
        let same = |permission: &Permission| permission.ip == ip && now < permission.expires;
        self.permissions.iter().any(same)
    }

    /// Whether permissions for all of these fit.
    pub(super) fn has_room_for(&mut self, ips: &[IpAddr], now: MonotonicTime) -> bool {
        self.permissions
            .retain(|permission| now < permission.expires);
        let known = |ip: &&IpAddr| self.permissions.iter().any(|held| held.ip == **ip);
        let n_new = ips.iter().filter(|ip| !known(ip)).count();
        self.permissions.len() + n_new <= MAX_PERMISSIONS
    }

    /// Lets packets to and from `ip` pass. The caller has asked whether it fits.
    pub(super) fn permit(&mut self, ip: IpAddr, now: MonotonicTime) {
        let expires = now.after(PERMISSION_LIFETIME);
        match self.permissions.iter_mut().find(|held| held.ip == ip) {
            Some(held) => held.expires = expires,
            None => self.permissions.push(Permission { ip, expires }),
        }
    }

    /// Binds a channel, or binds it for longer.
    pub(super) fn bind(
        &mut self,
        number: u16,
        peer: SocketAddr,
        now: MonotonicTime,
    ) -> Result<(), BindError> {
        self.channels.retain(|channel| now < channel.expires);
        let expires = now.after(CHANNEL_LIFETIME);
        let bound = |held: &&mut Channel| held.number == number && held.peer == peer;
        if let Some(held) = self.channels.iter_mut().find(bound) {
            held.expires = expires;
            return Ok(());
        }
        let taken = |held: &Channel| held.number == number || held.peer == peer;
        if self.channels.iter().any(taken) {
            return Err(BindError::Taken);
        }
        if self.channels.len() >= MAX_CHANNELS {
            return Err(BindError::Full);
        }
        self.channels.push(Channel {
            number,
            peer,
            expires,
        });
        Ok(())
    }

    /// The peer of a channel.
    pub(super) fn peer_of(&self, number: u16, now: MonotonicTime) -> Option<SocketAddr> {
        let bound = |channel: &&Channel| channel.number == number && now < channel.expires;
        self.channels.iter().find(bound).map(|channel| channel.peer)
    }

    /// The channel of a peer.
    pub(super) fn channel_of(&self, peer: SocketAddr, now: MonotonicTime) -> Option<u16> {
        let bound = |channel: &&Channel| channel.peer == peer && now < channel.expires;
        self.channels
            .iter()
            .find(bound)
            .map(|channel| channel.number)
    }
}
