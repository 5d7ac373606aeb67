//! Who sends a request.

use stun_types::attribute::{MessageIntegrity, MessageIntegritySha256, Nonce, Realm, Username};
use stun_types::message::{IntegrityAlgorithm, Message};
use stun_types::prelude::AttributeStaticType as _;

use super::{
    answer::Refusal,
    relay::{Client, Now, Relay},
};
use crate::turn::credentials::{Reach, User};

impl Relay {
    /// The user behind a request, by long-term credentials.
    ///
    /// The nonce comes first, since it takes one hash to see that it is no good, the name three.
    /// A name that has expired makes no allocation; one made before may be refreshed with it, as
    /// a call outlives its credentials, but not one made with public credentials.
    ///
    /// Source: RFC 8489 §9.2.4; RFC 8656 §5 (441).
    pub(super) fn authenticate(
        &mut self,
        now: Now,
        client: &Client,
        request: &Message<'_>,
    ) -> Result<User, Refusal> {
        let signed = request.has_attribute(MessageIntegrity::TYPE)
            || request.has_attribute(MessageIntegritySha256::TYPE);
        if !signed {
            return Err(Refusal::unproven(401));
        }
        let (Ok(name), Ok(_realm), Ok(nonce)) = (
            request.attribute::<Username>(),
            request.attribute::<Realm>(),
            request.attribute::<Nonce>(),
        ) else {
            return Err(Refusal::unproven(400));
        };
        let address = client.address;
        if !(self.nonces).is_good(nonce.nonce(), now.monotonic, address) {
            return Err(Refusal::unproven(438));
        }
        let Some(user) = self.verified(request, name.username()) else {
            self.counters.authentication_failed += 1;
            return Err(Refusal::unproven(401));
        };
        let held = self.place_of(now.monotonic, client);
        let held = held.and_then(|place| self.places[place].as_ref());
        if held.is_some_and(|allocation| allocation.user != user.name) {
            return Err(Refusal::of_user(441, &user.key));
        }
        let may_be_late = held.is_some() && user.reach == Reach::Peers;
        if user.expires_unix_s <= now.unix_s && !may_be_late {
            self.counters.authentication_failed += 1;
            return Err(Refusal::unproven(401));
        }
        Ok(user)
    }

    /// The user of this name, if the request is signed with its password. The library compares in
    /// constant time.
    fn verified(&self, request: &Message<'_>, name: &str) -> Option<User> {
        let user = self.credentials.user(name)?;
        let algorithm = request.validate_integrity_with_key(&user.key).ok()?;
        (algorithm == IntegrityAlgorithm::Sha1).then_some(user)
    }
}
