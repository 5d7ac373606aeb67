//! Refresh, CreatePermission and ChannelBind.

use std::net::{IpAddr, SocketAddr};

use stun_types::attribute::AttributeType;
use stun_types::message::{Message, MessageWriteExt as _};
use stun_types::prelude::{Attribute as _, AttributeFromRaw as _, AttributeStaticType as _};
use turn_types::AddressFamily;
use turn_types::attribute::{ChannelNumber, Lifetime, RequestedAddressFamily, XorPeerAddress};

use super::{
    allocate::{lifetime_attribute, optional, required},
    allocation::{BindError, CHANNEL_NUMBERS, MAX_PERMISSIONS},
    answer::{self, Refusal, Success},
    relay::{Client, Now, Ports, Relay},
};
use crate::turn::credentials::{Reach, User};

impl Relay {
    /// Lengthens or ends an allocation (RFC 8656 §8.2).
    pub(super) fn refresh(
        &mut self,
        now: Now,
        client: &Client,
        request: &Message<'_>,
        ports: &mut impl Ports,
    ) -> Result<Success, Refusal> {
        let known = [Lifetime::TYPE, RequestedAddressFamily::TYPE];
        let (user, place) = self.user_with_allocation(now, client, request, &known)?;
        let family = optional::<RequestedAddressFamily>(request, &user)?;
        let asked = optional::<Lifetime>(request, &user)?;
        let lifetime = Self::lifetime(now, request, &user)?;
        let Some(allocation) = self.places[place].as_mut() else {
            return Err(Refusal::of_user(437, &user.key));
        };
        let served = |family: AddressFamily| {
            let ipv4 = family == AddressFamily::IPV4;
            let mut held = allocation.relayed.iter().flatten();
            held.any(|relayed| relayed.bound.is_ipv4() == ipv4)
        };
        if family.is_some_and(|family| !served(family.family())) {
            return Err(Refusal::of_user(443, &user.key));
        }
        let mut message = answer::success(request);
        if asked.is_some_and(|asked| asked.seconds() == 0) {
            let _fits = message.add_attribute(&Lifetime::new(0));
            self.end(place, ports);
        } else {
            allocation.expires = now.monotonic.after(lifetime);
            let _fits = message.add_attribute(&lifetime_attribute(allocation, now.monotonic));
        }
        Ok(Success {
            message,
            key: user.key,
        })
    }

    /// Permits peers, all or none (RFC 8656 §10.2).
    pub(super) fn create_permission(
        &mut self,
        now: Now,
        client: &Client,
        request: &Message<'_>,
    ) -> Result<Success, Refusal> {
        let known = [XorPeerAddress::TYPE];
        let (user, place) = self.user_with_allocation(now, client, request, &known)?;
        let ips = peers(request, &user)?;
        for ip in &ips {
            self.may_permit(place, *ip, &user)?;
        }
        let Some(allocation) = self.places[place].as_mut() else {
            return Err(Refusal::of_user(437, &user.key));
        };
        if !allocation.has_room_for(&ips, now.monotonic) {
            return Err(Refusal::of_user(508, &user.key));
        }
        for ip in ips {
            allocation.permit(ip, now.monotonic);
        }
        Ok(Success {
            message: answer::success(request),
            key: user.key,
        })
    }

    /// Binds a channel, and permits its peer (RFC 8656 §12.2).
    pub(super) fn channel_bind(
        &mut self,
        now: Now,
        client: &Client,
        request: &Message<'_>,
    ) -> Result<Success, Refusal> {
        let known = [XorPeerAddress::TYPE, ChannelNumber::TYPE];
        let (user, place) = self.user_with_allocation(now, client, request, &known)?;
        let refuse = |code| Err(Refusal::of_user(code, &user.key));
        let number = required::<ChannelNumber>(request, &user)?.channel();
        let peer = required::<XorPeerAddress>(request, &user)?.addr(request.transaction_id());
        if !CHANNEL_NUMBERS.contains(&number) || peer.port() == 0 {
            return refuse(400);
        }
        self.may_permit(place, peer.ip(), &user)?;
        if !self.may_reach(place, peer) {
            return refuse(403);
        }
        let Some(allocation) = self.places[place].as_mut() else {
            return refuse(437);
        };
        if !allocation.has_room_for(&[peer.ip()], now.monotonic) {
            return refuse(508);
        }
        match allocation.bind(number, peer, now.monotonic) {
            Err(BindError::Taken) => return refuse(400),
            Err(BindError::Full) => return refuse(508),
            Ok(()) => allocation.permit(peer.ip(), now.monotonic),
        }
        Ok(Success {
            message: answer::success(request),
            key: user.key,
        })
    }

    /// The user and its allocation (437).
    fn user_with_allocation(
        &mut self,
        now: Now,
        client: &Client,
        request: &Message<'_>,
        known: &[AttributeType],
    ) -> Result<(User, usize), Refusal> {
        let user = self.authenticate(now, client, request)?;
        let unknown = answer::unknown_attributes(request, known);
        if !unknown.is_empty() {
            return Err(Refusal::unknown(unknown, &user.key));
        }
        match self.place_of(now.monotonic, client) {
            Some(place) => Ok((user, place)),
            None => Err(Refusal::of_user(437, &user.key)),
        }
    }

    /// Whether this peer's address may be permitted at all: of a family that is served (443), and
    /// within what the user may reach (403). The port is looked at with each packet.
    fn may_permit(&self, place: usize, ip: IpAddr, user: &User) -> Result<(), Refusal> {
        let relayed = self.places[place]
            .as_ref()
            .and_then(|held| held.relayed_for(ip));
        let Some(relayed) = relayed else {
            return Err(Refusal::of_user(443, &user.key));
        };
        let permitted = self.own.serves(ip, relayed.bound.ip())
            || (user.reach == Reach::Peers && self.policy.permits(ip));
        if permitted {
            return Ok(());
        }
        Err(Refusal::of_user(403, &user.key))
    }

    /// Whether packets may go to this peer, port included.
    fn may_reach(&self, place: usize, peer: SocketAddr) -> bool {
        let held = self.places[place].as_ref();
        held.is_some_and(|allocation| self.destination(allocation, peer).is_some())
    }
}

/// The peers of a CreatePermission: at least one (400), and no more than fit (508).
fn peers(request: &Message<'_>, user: &User) -> Result<Vec<IpAddr>, Refusal> {
    let mut ips = Vec::new();
    let attributes = request.iter_attributes().map(|(_, attribute)| attribute);
    for attribute in attributes.filter(|a| a.get_type() == XorPeerAddress::TYPE) {
        let Ok(peer) = XorPeerAddress::from_raw(attribute) else {
            return Err(Refusal::of_user(400, &user.key));
        };
        let ip = peer.addr(request.transaction_id()).ip();
        if !ips.contains(&ip) {
            ips.push(ip);
        }
        if ips.len() > MAX_PERMISSIONS {
            return Err(Refusal::of_user(508, &user.key));
        }
    }
    if ips.is_empty() {
        return Err(Refusal::of_user(400, &user.key));
    }
    Ok(ips)
}
