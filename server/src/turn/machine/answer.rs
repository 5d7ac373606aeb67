//! Answers, as bytes.

use std::net::SocketAddr;

use stun_types::attribute::{
    AttributeType, ErrorCode, Fingerprint, MessageIntegrity, MessageIntegritySha256, Nonce, Realm,
    UnknownAttributes, Username, XorMappedAddress,
};
use stun_types::message::{
    IntegrityAlgorithm, IntegrityKey, Message, MessageWrite as _, MessageWriteExt as _,
    MessageWriteVec,
};
use stun_types::prelude::{Attribute as _, AttributeStaticType as _};

use super::{
    counters::Dropped,
    relay::{Client, Handled, Now, Relay},
};

/// Room for any answer: a success with two relay addresses takes 140 bytes.
const ANSWER_BYTES: usize = 192;

/// A request that succeeds: the answer without its integrity, and who is to sign it.
#[derive(Debug)]
pub(super) struct Success {
    pub(super) message: MessageWriteVec,
    pub(super) key: IntegrityKey,
}

/// A request that does not.
#[derive(Debug)]
pub(super) struct Refusal {
    code: u16,
    key: Option<IntegrityKey>,
    unknown: Vec<AttributeType>,
}

impl Refusal {
    /// To somebody who has proven nothing: not signed, and bounded.
    pub(super) fn unproven(code: u16) -> Self {
        Self {
            code,
            key: None,
            unknown: Vec::new(),
        }
    }

    /// To a user.
    pub(super) fn of_user(code: u16, key: &IntegrityKey) -> Self {
        Self {
            key: Some(key.clone()),
            ..Self::unproven(code)
        }
    }

    /// To a user who asks for what is not known here.
    pub(super) fn unknown(unknown: Vec<AttributeType>, key: &IntegrityKey) -> Self {
        Self {
            unknown,
            ..Self::of_user(420, key)
        }
    }
}

impl Relay {
    /// Writes the answer to a request.
    pub(super) fn answer(
        &mut self,
        now: Now,
        client: &Client,
        request: &Message<'_>,
        answer: Result<Success, Refusal>,
        reply: &mut Vec<u8>,
    ) -> Handled {
        let fingerprint = request.has_attribute(Fingerprint::TYPE);
        match answer {
            Ok(success) => {
                *reply = seal(success.message, Some(&success.key), fingerprint);
                Handled::Reply
            }
            Err(refusal) => {
                self.counters.refuse(refusal.code);
                if refusal.key.is_none() && !self.may_answer_unproven(now, client) {
                    return self.dropped(Dropped::AnswerWithheld);
                }
                let message = self.refusal(now, client, request, &refusal);
                *reply = seal(message, refusal.key.as_ref(), fingerprint);
                Handled::Reply
            }
        }
    }

    fn refusal(
        &self,
        now: Now,
        client: &Client,
        request: &Message<'_>,
        refusal: &Refusal,
    ) -> MessageWriteVec {
        let mut message = error(request, refusal.code);
        // With these the client asks again (RFC 8489 §9.2.4).
        if matches!(refusal.code, 401 | 438) {
            let nonce = self.nonces.make(now.monotonic, client.address);
            if let (Ok(realm), Ok(nonce)) =
                (Realm::new(self.credentials.realm()), Nonce::new(&nonce))
            {
                let _fits = message.add_attribute(&realm);
                let _fits = message.add_attribute(&nonce);
            }
        }
        if !refusal.unknown.is_empty() {
            let _fits = message.add_attribute(&UnknownAttributes::new(&refusal.unknown));
        }
        message
    }
}

/// The beginning of a success.
pub(super) fn success(request: &Message<'_>) -> MessageWriteVec {
    Message::builder_success(request, MessageWriteVec::with_capacity(ANSWER_BYTES))
}

/// An error without words: the code says it, and an answer to a stranger is to be small.
fn error(request: &Message<'_>, code: u16) -> MessageWriteVec {
    let mut message = Message::builder_error(request, MessageWriteVec::with_capacity(ANSWER_BYTES));
    if let Ok(code) = ErrorCode::new(code, "") {
        let _fits = message.add_attribute(&code);
    }
    message
}

/// The answer to a binding request.
pub(super) fn binding(request: &Message<'_>, address: SocketAddr) -> Vec<u8> {
    let mut message = success(request);
    let _fits = message.add_attribute(&XorMappedAddress::new(address, request.transaction_id()));
    seal(message, None, request.has_attribute(Fingerprint::TYPE))
}

/// The answer to a request with attributes that have to be understood and are not.
pub(super) fn unknown(request: &Message<'_>, unknown: &[AttributeType]) -> Vec<u8> {
    let mut message = error(request, 420);
    let _fits = message.add_attribute(&UnknownAttributes::new(unknown));
    seal(message, None, request.has_attribute(Fingerprint::TYPE))
}

/// Attributes of a request that have to be understood and are not among `known`, a few at most.
pub(super) fn unknown_attributes(
    request: &Message<'_>,
    known: &[AttributeType],
) -> Vec<AttributeType> {
    const OF_EVERY_REQUEST: [AttributeType; 5] = [
        Username::TYPE,
        Realm::TYPE,
        Nonce::TYPE,
        MessageIntegrity::TYPE,
        MessageIntegritySha256::TYPE,
    ];
    /// As many as fit an answer that is no larger than its request.
    const MOST: usize = 4;
    let types = request.iter_attributes().map(|(_, a)| a.get_type());
    types
        .filter(|a| a.comprehension_required())
        .filter(|a| !OF_EVERY_REQUEST.contains(a) && !known.contains(a))
        .take(MOST)
        .collect()
}

fn seal(mut message: MessageWriteVec, key: Option<&IntegrityKey>, fingerprint: bool) -> Vec<u8> {
    if let Some(key) = key {
        let _fits = message.add_message_integrity_with_key(key, IntegrityAlgorithm::Sha1);
    }
    if fingerprint {
        let _fits = message.add_fingerprint();
    }
    message.finish()
}
