//! A question to a name server, and what its answer means; pure.

use greenroom_reports::model::path::Family;
use greenroom_reports::model::resolve::{LookupResult, NameAnswer};
use greenroom_reports::model::sensitive::Sensitive;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

/// Addresses that are kept of one answer. Names of large services have a dozen; an answer has room for
/// thousands.
const MOST_ADDRESSES: usize = 64;

/// What a packet holds that answers a question.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    /// The answer.
    Answer(NameAnswer),
    /// It was too long for UDP (TC, RFC 1035 §4.1.1; RFC 2181 §9: what came of it is not to be used).
    Truncated,
}

/// One question.
#[derive(Clone, Debug)]
pub(super) struct Question {
    id: u16,
    name: Name,
    family: Family,
}

impl Question {
    /// For the addresses of this family; `None` where the text can be no name.
    pub(super) fn new(id: u16, host: &str, family: Family) -> Option<Self> {
        let mut name = Name::from_ascii(host).ok()?;
        name.set_fqdn(true);
        Some(Self { id, name, family })
    }

    /// As it is sent; `None` where it cannot be written.
    pub(super) fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut message = Message::new(self.id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(self.name.clone(), self.record_type()));
        message.to_vec().ok()
    }

    fn record_type(&self) -> RecordType {
        match self.family {
            Family::Ipv4 => RecordType::A,
            Family::Ipv6 => RecordType::AAAA,
        }
    }

    /// What a packet answers; `None` where it is no answer to this question.
    ///
    /// Source: RFC 1035 §4.1.1 for the codes, RFC 2308 §2 for names without such records.
    pub(super) fn answer(&self, packet: &[u8]) -> Option<Heard> {
        let message = Message::from_vec(packet).ok()?;
        let head = &message.metadata;
        let is_ours =
            |query: &Query| query.name() == &self.name && query.query_type() == self.record_type();
        if head.id != self.id || head.message_type != MessageType::Response {
            return None;
        }
        // An error may leave the question out.
        if !message.queries.is_empty() && !message.queries.iter().any(is_ours) {
            return None;
        }
        if head.truncation {
            return Some(Heard::Truncated);
        }
        let addresses: Vec<Sensitive> = message
            .answers
            .iter()
            .filter_map(|r| address(&r.data))
            .take(MOST_ADDRESSES)
            .collect();
        let result = match head.response_code {
            ResponseCode::NoError if addresses.is_empty() => LookupResult::NoAddresses,
            ResponseCode::NoError => LookupResult::Found,
            ResponseCode::NXDomain => LookupResult::UnknownName,
            ResponseCode::ServFail => LookupResult::ServerFailure,
            ResponseCode::Refused => LookupResult::Refused,
            _ => LookupResult::Failed,
        };
        Some(Heard::Answer(NameAnswer {
            result,
            addresses,
            ttl_s: message.answers.iter().map(|record| record.ttl).min(),
            ..NameAnswer::default()
        }))
    }
}

fn address(data: &RData) -> Option<Sensitive> {
    match data {
        RData::A(a) => Some(Sensitive::new(a.0.to_string())),
        RData::AAAA(aaaa) => Some(Sensitive::new(aaaa.0.to_string())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::A;

    use super::*;

    fn question() -> Question {
        Question::new(7, "call.example", Family::Ipv4).unwrap()
    }

    fn response(code: ResponseCode, answers: &[(u32, [u8; 4])]) -> Message {
        let question = question();
        let mut message = Message::response(7, OpCode::Query);
        message.metadata.response_code = code;
        message.add_query(Query::query(question.name.clone(), RecordType::A));
        for (ttl, [a, b, c, d]) in answers {
            let data = RData::A(A::new(*a, *b, *c, *d));
            message.add_answer(Record::from_rdata(question.name.clone(), *ttl, data));
        }
        message
    }

    fn answer(message: &Message) -> Option<NameAnswer> {
        match question().answer(&message.to_vec().unwrap())? {
            Heard::Answer(answer) => Some(answer),
            Heard::Truncated => panic!("it is whole"),
        }
    }

    #[test]
    fn a_cut_answer_is_told() {
        let mut message = response(ResponseCode::NoError, &[(300, [192, 0, 2, 1])]);
        message.metadata.truncation = true;
        let heard = question().answer(&message.to_vec().unwrap());
        assert_eq!(heard, Some(Heard::Truncated));
    }

    #[test]
    fn a_question_is_written_as_the_standard_says() {
        let bytes = question().to_bytes().unwrap();
        let expected = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04call\x07example\x00\x00\x01\x00\x01";
        assert_eq!(bytes, expected);
    }

    #[test]
    fn addresses_come_with_the_shortest_time_to_live() {
        let message = response(
            ResponseCode::NoError,
            &[(300, [192, 0, 2, 1]), (60, [192, 0, 2, 2])],
        );
        let answer = answer(&message).unwrap();
        assert_eq!(answer.result, LookupResult::Found);
        assert_eq!(answer.ttl_s, Some(60));
        let addresses: Vec<&str> = answer.addresses.iter().map(Sensitive::as_str).collect();
        assert_eq!(addresses, ["192.0.2.1", "192.0.2.2"]);
    }

    #[test]
    fn codes_are_told_apart() {
        for (code, expected) in [
            (ResponseCode::NoError, LookupResult::NoAddresses),
            (ResponseCode::NXDomain, LookupResult::UnknownName),
            (ResponseCode::ServFail, LookupResult::ServerFailure),
            (ResponseCode::Refused, LookupResult::Refused),
            (ResponseCode::FormErr, LookupResult::Failed),
        ] {
            let answer = answer(&response(code, &[])).unwrap();
            assert_eq!((answer.result, answer.ttl_s), (expected, None));
        }
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let mut other = response(ResponseCode::NoError, &[]);
        other.metadata.id = 8;
        assert_eq!(answer(&other), None);
        let mut other = response(ResponseCode::NoError, &[]);
        other.metadata.message_type = MessageType::Query;
        assert_eq!(answer(&other), None);
        let mut other = response(ResponseCode::NoError, &[]);
        other.queries = vec![Query::query(
            Name::from_ascii("x.example.").unwrap(),
            RecordType::A,
        )];
        assert_eq!(answer(&other), None);
        assert_eq!(question().answer(b"nonsense"), None);
    }
}
