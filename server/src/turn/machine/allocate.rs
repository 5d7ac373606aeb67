//! Allocate.

use std::{net::IpAddr, time::Duration};

use greenroom_protocol::measure::time::MonotonicTime;
use stun_types::attribute::{AttributeType, ErrorCode, XorMappedAddress};
use stun_types::message::{Message, MessageWriteExt as _};
use stun_types::prelude::{AttributeFromRaw, AttributeStaticType};
use turn_types::AddressFamily;
use turn_types::attribute::{
    AdditionalAddressFamily, AddressErrorCode, EvenPort, Lifetime, RequestedAddressFamily,
    RequestedTransport, ReservationToken, XorRelayedAddress,
};

use super::{
    allocation::{Allocation, DEFAULT_LIFETIME, MAX_LIFETIME, Relayed},
    answer::{self, Refusal, Success},
    quota::NoRoom,
    relay::{Client, Now, PortId, Ports, Relay},
};
use crate::turn::{
    buckets::Bucket,
    credentials::{Reach, User},
};

/// Number of UDP in REQUESTED-TRANSPORT (IANA protocol numbers).
const UDP: u8 = 17;

const KNOWN: [AttributeType; 6] = [
    RequestedTransport::TYPE,
    Lifetime::TYPE,
    RequestedAddressFamily::TYPE,
    AdditionalAddressFamily::TYPE,
    EvenPort::TYPE,
    ReservationToken::TYPE,
];

/// The address families that an Allocate asks for: the first has to be had, the second is told
/// apart when it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    ipv4: bool,
    also_ipv6: bool,
    even_port: bool,
}

impl Relay {
    /// Makes an allocation (RFC 8656 §7.2).
    pub(super) fn allocate(
        &mut self,
        now: Now,
        client: &Client,
        request: &Message<'_>,
        ports: &mut impl Ports,
    ) -> Result<Success, Refusal> {
        let user = self.authenticate(now, client, request)?;
        if let Some(place) = self.place_of(now.monotonic, client) {
            return self.allocated_before(now, place, request, &user);
        }
        let wanted = wanted(request, &user)?;
        let lifetime = Self::lifetime(now, request, &user)?;
        if self.draining {
            return Err(Refusal::of_user(508, &user.key));
        }
        // An allocation that is over but was not swept yet.
        self.disconnected(client, ports);
        let place = self.take_place(client, &user)?;
        let relayed = self.open_ports(place, client, wanted, ports);
        let (relayed, additional_error) = match relayed {
            Ok(opened) => opened,
            Err(code) => {
                self.held
                    .give_back(client.address.ip(), &user.name, user.reach);
                self.free.push(place);
                return Err(Refusal::of_user(code, &user.key));
            }
        };
        let allocation = Allocation::new(
            *client,
            user,
            request.transaction_id(),
            relayed,
            additional_error,
            now.monotonic.after(lifetime),
            Bucket::full(self.rate, now.monotonic),
        );
        let success = allocated(request, &allocation, now.monotonic);
        self.places[place] = Some(allocation);
        self.by_client.insert(*client, place);
        self.counters.allocated[client.transport as usize] += 1;
        self.counters.open[client.transport as usize] += 1;
        Ok(success)
    }

    /// The request came again, or the client has an allocation that it does not know of.
    fn allocated_before(
        &self,
        now: Now,
        place: usize,
        request: &Message<'_>,
        user: &User,
    ) -> Result<Success, Refusal> {
        let held = self.places[place].as_ref();
        held.filter(|allocation| allocation.transaction == request.transaction_id())
            .map(|allocation| allocated(request, allocation, now.monotonic))
            .ok_or_else(|| Refusal::of_user(437, &user.key))
    }

    /// How long an allocation lasts unless it is refreshed: what the client asks for within
    /// bounds. One with public credentials ends with them.
    pub(super) fn lifetime(
        now: Now,
        request: &Message<'_>,
        user: &User,
    ) -> Result<Duration, Refusal> {
        let asked = optional::<Lifetime>(request, user)?;
        let asked = asked.map_or(DEFAULT_LIFETIME, |asked| {
            Duration::from_secs(asked.seconds().into())
        });
        let granted = asked.clamp(DEFAULT_LIFETIME, MAX_LIFETIME);
        let left = Duration::from_secs(user.expires_unix_s.saturating_sub(now.unix_s));
        Ok(match user.reach {
            Reach::Own => granted.min(left),
            Reach::Peers => granted,
        })
    }

    fn take_place(&mut self, client: &Client, user: &User) -> Result<usize, Refusal> {
        let ip = client.address.ip();
        let taken = self.held.take(self.quotas, ip, &user.name, user.reach);
        taken.map_err(|no_room| match no_room {
            NoRoom::Quota => Refusal::of_user(486, &user.key),
            NoRoom::Capacity => Refusal::of_user(508, &user.key),
        })?;
        Ok(self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        }))
    }

    /// Opens the sockets; the second one's failure is told beside the first one's success.
    fn open_ports(
        &mut self,
        place: usize,
        client: &Client,
        wanted: Wanted,
        ports: &mut impl Ports,
    ) -> Result<([Option<Relayed>; 2], Option<u16>), u16> {
        let first = self.open_port(PortId::new(place, 0), wanted, client, ports)?;
        if !wanted.also_ipv6 {
            return Ok(([Some(first), None], None));
        }
        let second = Wanted {
            ipv4: false,
            ..wanted
        };
        Ok(
            match self.open_port(PortId::new(place, 1), second, client, ports) {
                Ok(second) => ([Some(first), Some(second)], None),
                Err(code) => ([Some(first), None], Some(code)),
            },
        )
    }

    fn open_port(
        &mut self,
        port: PortId,
        wanted: Wanted,
        client: &Client,
        ports: &mut impl Ports,
    ) -> Result<Relayed, u16> {
        let ip: IpAddr = ports
            .relay_ip(wanted.ipv4, client.server_ip)
            .ok_or(440_u16)?;
        let bound = ports.open(port, ip, wanted.even_port).map_err(|error| {
            tracing::warn!(%error, "cannot open a relay address");
            508_u16
        })?;
        let known = self.own.add_relay(bound);
        Ok(Relayed { port, bound, known })
    }
}

/// What is asked for, after the checks of RFC 8656 §7.2 in their order.
fn wanted(request: &Message<'_>, user: &User) -> Result<Wanted, Refusal> {
    let refuse = |code| Err(Refusal::of_user(code, &user.key));
    let unknown = answer::unknown_attributes(request, &KNOWN);
    if !unknown.is_empty() {
        return Err(Refusal::unknown(unknown, &user.key));
    }
    match required::<RequestedTransport>(request, user)?.protocol() {
        UDP => {}
        _ => return refuse(442),
    }
    let family = optional::<RequestedAddressFamily>(request, user)
        .map_err(|_another| Refusal::of_user(440, &user.key))?;
    let additional = optional::<AdditionalAddressFamily>(request, user)?;
    let reserved = request.has_attribute(ReservationToken::TYPE);
    let even = optional::<EvenPort>(request, user)?;
    let contradicts = (family.is_some() && additional.is_some())
        || (reserved && (even.is_some() || family.is_some() || additional.is_some()));
    if contradicts {
        return refuse(400);
    }
    // No port is reserved here, neither before nor beside this one.
    if reserved || even.as_ref().is_some_and(EvenPort::requested) {
        return refuse(508);
    }
    if additional
        .as_ref()
        .is_some_and(|additional| additional.family() != AddressFamily::IPV6)
    {
        return refuse(400);
    }
    Ok(Wanted {
        ipv4: family.is_none_or(|family| family.family() == AddressFamily::IPV4),
        also_ipv6: additional.is_some(),
        even_port: even.is_some(),
    })
}

/// The answer to an Allocate, which is the same when it is asked for again.
fn allocated(request: &Message<'_>, allocation: &Allocation, now: MonotonicTime) -> Success {
    let mut message = answer::success(request);
    let transaction = request.transaction_id();
    for relayed in allocation.relayed.iter().flatten() {
        let _fits = message.add_attribute(&XorRelayedAddress::new(relayed.known, transaction));
    }
    let error = allocation
        .additional_error
        .map(|code| ErrorCode::new(code, ""));
    if let Some(Ok(error)) = error {
        let _fits = message.add_attribute(&AddressErrorCode::new(AddressFamily::IPV6, error));
    }
    let _fits = message.add_attribute(&lifetime_attribute(allocation, now));
    let mapped = XorMappedAddress::new(allocation.client.address, transaction);
    let _fits = message.add_attribute(&mapped);
    Success {
        message,
        key: allocation.key.clone(),
    }
}

pub(super) fn lifetime_attribute(allocation: &Allocation, now: MonotonicTime) -> Lifetime {
    let left = allocation.expires.since(now).as_secs();
    Lifetime::new(u32::try_from(left).unwrap_or(u32::MAX))
}

/// An attribute that has to be there (400).
pub(super) fn required<'a, A>(request: &'a Message<'a>, user: &User) -> Result<A, Refusal>
where
    A: AttributeFromRaw<'a> + AttributeStaticType,
{
    (request.attribute::<A>()).map_err(|_missing| Refusal::of_user(400, &user.key))
}

/// An attribute that may be missing, but not wrong (400).
pub(super) fn optional<'a, A>(request: &'a Message<'a>, user: &User) -> Result<Option<A>, Refusal>
where
    A: AttributeFromRaw<'a> + AttributeStaticType,
{
    if request.has_attribute(A::TYPE) {
        return required(request, user).map(Some);
    }
    Ok(None)
}
