//! Binding requests and their answers (RFC 8489 §3, RFC 5780 §7); pure.

use std::net::{IpAddr, SocketAddr};

use stun_types::attribute::{AttributeType, RawAttribute, Software, XorMappedAddress};
use stun_types::message::{
    BINDING, Message, MessageClass, MessageType, MessageWrite as _, MessageWriteExt as _,
    MessageWriteVec, TransactionId,
};

/// From where an answer is wanted, and its bits.
const CHANGE_REQUEST: AttributeType = AttributeType::new(0x0003);
const CHANGE_ADDRESS: u32 = 0x04;
const CHANGE_PORT: u32 = 0x02;
/// The server's other address and port.
const OTHER_ADDRESS: AttributeType = AttributeType::new(0x802c);

/// From where an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// From where it was asked.
    Nothing,
    /// From the other port.
    Port,
    /// From the other address and the other port.
    AddressAndPort,
}

impl Change {
    const fn bits(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Port => CHANGE_PORT,
            Self::AddressAndPort => CHANGE_ADDRESS | CHANGE_PORT,
        }
    }
}

/// What an answer tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// This machine's address, as the server sees it.
    pub(super) mapped: SocketAddr,
    /// What the server calls itself.
    pub(super) software: Option<String>,
    /// The server's other address, where it has one.
    pub(super) other: Option<SocketAddr>,
}

/// A binding request.
pub(super) fn request(transaction: u128, change: Change) -> Vec<u8> {
    let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
    let id = TransactionId::from(transaction);
    let mut message = Message::builder(kind, id, MessageWriteVec::new());
    let bits = change.bits().to_be_bytes();
    if change != Change::Nothing {
        let _fits = message.add_attribute(&RawAttribute::new(CHANGE_REQUEST, &bits));
    }
    let _fits = message.add_fingerprint();
    message.finish()
}

/// An answer to this request; `None` when it is none.
pub(super) fn read_answer(transaction: u128, bytes: &[u8]) -> Option<Answer> {
    let message = Message::from_bytes(bytes).ok()?;
    let id = TransactionId::from(transaction);
    let answers = message.has_method(BINDING)
        && message.has_class(MessageClass::Success)
        && message.transaction_id() == id;
    let mapped = message.attribute::<XorMappedAddress>().ok();
    let software = message.attribute::<Software>().ok();
    let other = message.raw_attribute(OTHER_ADDRESS);
    Some(Answer {
        mapped: mapped.filter(|_| answers)?.addr(id),
        software: software.map(|s| s.software().to_owned()),
        other: other.and_then(|other| read_address(&other.value)),
    })
}

/// An address as in `MAPPED-ADDRESS` (RFC 8489 §14.1).
fn read_address(bytes: &[u8]) -> Option<SocketAddr> {
    let ([_, family, high, low], rest) = bytes.split_first_chunk::<4>()?;
    let ip: IpAddr = match family {
        1 => <[u8; 4]>::try_from(rest).ok()?.into(),
        2 => <[u8; 16]>::try_from(rest).ok()?.into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([*high, *low])))
}

#[cfg(test)]
pub(super) fn answer(request: &[u8]) -> Vec<u8> {
    answer_with(request, &[])
}

#[cfg(test)]
fn answer_with(request: &[u8], other: &[u8]) -> Vec<u8> {
    let request = Message::from_bytes(request).unwrap();
    let mut answer = Message::builder_success(&request, MessageWriteVec::new());
    let mapped = "192.0.2.1:4000".parse().unwrap();
    let mapped = XorMappedAddress::new(mapped, request.transaction_id());
    answer.add_attribute(&mapped).unwrap();
    if !other.is_empty() {
        let other = RawAttribute::new(OTHER_ADDRESS, other);
        answer.add_attribute(&other).unwrap();
    }
    answer.finish()
}

#[cfg(test)]
pub(super) fn asked(request: &[u8]) -> Change {
    let request = Message::from_bytes(request).unwrap();
    match request.raw_attribute(CHANGE_REQUEST) {
        None => Change::Nothing,
        Some(change) if change.value[3] & 4 != 0 => Change::AddressAndPort,
        Some(_) => Change::Port,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_only_by_who_asked() {
        let request = request(7, Change::Nothing);
        let answer = answer(&request);
        let read = read_answer(7, &answer).unwrap();
        assert_eq!(read.mapped.to_string(), "192.0.2.1:4000");
        assert_eq!((read.software, read.other), (None, None));
        assert_eq!(read_answer(8, &answer), None);
        assert_eq!(read_answer(7, &request), None);
        for length in 0..answer.len() {
            assert_eq!(read_answer(7, &answer[..length]), None);
        }
    }

    #[test]
    fn another_address_is_read_if_it_is_one() {
        let request = request(7, Change::Nothing);
        let other = |bytes: &[u8]| read_answer(7, &answer_with(&request, bytes)).unwrap().other;
        let v4 = [0, 1, 0x0d, 0x97, 198, 51, 100, 2];
        assert_eq!(other(&v4), "198.51.100.2:3479".parse().ok());
        let v6 = [[0, 2, 0x0d, 0x97].as_slice(), &[0x20; 16]].concat();
        assert!(other(&v6).is_some_and(|other| other.is_ipv6()));
        for wrong in [&v4[..4], &v4[..7], &v6[..8], &[0, 3, 0, 1, 1, 2, 3, 4]] {
            assert_eq!(other(wrong), None, "{wrong:?}");
        }
    }

    /// The bits of RFC 5780 §7.2.
    #[test]
    fn a_change_is_asked_for_by_its_bits() {
        for (change, bits) in [(Change::Port, 2), (Change::AddressAndPort, 6)] {
            let bytes = request(7, change);
            let message = Message::from_bytes(&bytes).unwrap();
            let asked = message.raw_attribute(CHANGE_REQUEST).unwrap();
            assert_eq!(&*asked.value, [0, 0, 0, bits]);
        }
        let plain = request(7, Change::Nothing);
        let plain = Message::from_bytes(&plain).unwrap();
        assert!(plain.raw_attribute(CHANGE_REQUEST).is_none());
    }
}
