//! Shapes of earlier formats, and how they are read as those of today.

use camshaft_cam::digest::Digest;
use serde::Deserialize;

use crate::codec::digest_bytes;
use crate::snapshot::{
    AsideSnapshot, BeforeImage, InstanceSnapshot, KeptAnswer, KeptSender, MailSnapshot, Parked, Status,
    TimerSnapshot,
};

/// An instance of format 1: nothing was kept aside of its state.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) struct Instance1 {
    address: String,
    status: Status,
    #[serde(with = "digest_bytes")]
    machine: Digest,
    seq: u64,
    life: u64,
    state: Option<Vec<u8>>,
    mailbox: Vec<MailSnapshot>,
    timers: Vec<TimerSnapshot>,
    timer_generation: u64,
    kept: Vec<Sender1>,
    before: Option<BeforeImage>,
    parked: Vec<Parked>,
}

/// An instance of format 2: its kept answers did not say which machine gave them.
// Postcard writes a structure as its fields, one after the other.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) struct Instance2 {
    old: Instance1,
    aside: Option<AsideSnapshot>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
struct Sender1 {
    sender: String,
    single: bool,
    floor: u64,
    answers: Vec<Answer1>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
struct Answer1 {
    seq: u64,
    #[serde(with = "digest_bytes")]
    content: Digest,
    at_ms: i64,
    answer: Result<String, (String, String)>,
}

impl From<Instance2> for InstanceSnapshot {
    fn from(Instance2 { old, aside }: Instance2) -> InstanceSnapshot {
        InstanceSnapshot {
            address: old.address,
            status: old.status,
            machine: old.machine,
            seq: old.seq,
            life: old.life,
            state: old.state,
            mailbox: old.mailbox,
            timers: old.timers,
            timer_generation: old.timer_generation,
            kept: old.kept.into_iter().map(KeptSender::from).collect(),
            before: old.before,
            parked: old.parked,
            aside,
        }
    }
}

impl From<Instance1> for InstanceSnapshot {
    fn from(old: Instance1) -> InstanceSnapshot {
        Instance2 { old, aside: None }.into()
    }
}

impl From<Sender1> for KeptSender {
    fn from(old: Sender1) -> KeptSender {
        let answer = |old: Answer1| KeptAnswer {
            seq: old.seq,
            content: old.content,
            at_ms: old.at_ms,
            answer: old.answer,
            writer: None,
        };
        KeptSender {
            sender: old.sender,
            single: old.single,
            floor: old.floor,
            answers: old.answers.into_iter().map(answer).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{CodecError, FORMAT, decode_instance, encode};

    fn old() -> Instance1 {
        let answer = Answer1 { seq: 4, content: Digest::of(b"c"), at_ms: 9, answer: Ok("1".to_owned()) };
        Instance1 {
            address: "a/m/k".to_owned(),
            status: Status::Live,
            machine: Digest::of(b"m"),
            seq: 7,
            life: 1,
            state: Some(vec![1, 2]),
            mailbox: vec![],
            timers: vec![],
            timer_generation: 3,
            kept: vec![Sender1 { sender: "c".to_owned(), single: false, floor: 3, answers: vec![answer] }],
            before: Some(BeforeImage { machine: Digest::of(b"old"), state: vec![9] }),
            parked: vec![],
        }
    }

    /// Returns bytes as a version of that format wrote them.
    fn written(format: u8, value: &impl serde::Serialize) -> Vec<u8> {
        let mut bytes = encode(value);
        bytes[0] = format;
        bytes
    }

    #[test]
    fn instances_of_all_formats_are_read_as_they_were() {
        let aside = AsideSnapshot { edge: Digest::of(b"edge"), kept: vec![4] };
        let mut expected = InstanceSnapshot {
            address: "a/m/k".to_owned(),
            status: Status::Live,
            machine: Digest::of(b"m"),
            seq: 7,
            life: 1,
            state: Some(vec![1, 2]),
            mailbox: vec![],
            timers: vec![],
            timer_generation: 3,
            kept: vec![KeptSender {
                sender: "c".to_owned(),
                single: false,
                floor: 3,
                answers: vec![KeptAnswer {
                    seq: 4,
                    content: Digest::of(b"c"),
                    at_ms: 9,
                    answer: Ok("1".to_owned()),
                    writer: None,
                }],
            }],
            before: Some(BeforeImage { machine: Digest::of(b"old"), state: vec![9] }),
            parked: vec![],
            aside: None,
        };
        assert_eq!(decode_instance(&written(1, &old())), Ok(expected.clone()));
        expected.aside = Some(aside.clone());
        let second = Instance2 { old: old(), aside: Some(aside) };
        assert_eq!(decode_instance(&written(2, &second)), Ok(expected.clone()));
        expected.kept[0].answers[0].writer = Some(Digest::of(b"m"));
        assert_eq!(decode_instance(&written(FORMAT, &expected)), Ok(expected.clone()));
        let later = decode_instance(&written(FORMAT + 1, &expected));
        assert_eq!(later, Err(CodecError::Format(FORMAT + 1)));
    }
}
