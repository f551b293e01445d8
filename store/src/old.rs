//! Shapes of earlier formats, and how they are read as those of today.

use camshaft_cam::digest::Digest;
use serde::Deserialize;

use crate::codec::digest_bytes;
use crate::record::{Control, Effect, InputRecord, Record, Source, Verdict};
use crate::snapshot::{
    AsideSnapshot, BeforeImage, InstanceSnapshot, KeptAnswer, KeptSender, MailSnapshot, Parked, Status,
    TimerSnapshot,
};

/// A record of formats 1 to 4.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) enum Record4 {
    Input(Input4),
    Control(Control),
}

/// An input of formats 1 to 4: it says in which type it is written, and the digest of the state that
/// it led to. Channel and life of a message are found where it waits.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) struct Input4 {
    switch: u64,
    instance: String,
    seq: u64,
    source: Source4,
    #[serde(with = "digest_bytes")]
    _writer: Digest,
    input: Vec<u8>,
    now_ms: i64,
    seed: i64,
    config: u64,
    trace: Option<String>,
    verdict: Verdict4,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
enum Source4 {
    Anonymous,
    Client {
        sender: String,
        seq: u64,
        #[serde(with = "digest_bytes")]
        content: Digest,
    },
    Key {
        key: String,
        #[serde(with = "digest_bytes")]
        content: Digest,
    },
    Message {
        sender: String,
        seq: u64,
        effect: u32,
    },
    Answer {
        receiver: String,
        seq: u64,
        effect: u32,
    },
    Timer {
        name: String,
        generation: u64,
    },
    Relup {
        switch: u64,
        index: u32,
    },
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
enum Verdict4 {
    Applied {
        output: Option<Vec<u8>>,
        effects: Vec<Effect>,
        #[serde(with = "digest_bytes")]
        _state: Digest,
    },
    Trapped {
        kind: String,
        reason: String,
    },
}

impl From<Record4> for Record {
    fn from(old: Record4) -> Record {
        match old {
            Record4::Control(control) => Record::Control(control),
            Record4::Input(old) => Record::Input(InputRecord {
                switch: old.switch,
                instance: old.instance,
                seq: old.seq,
                source: old.source.into(),
                input: old.input,
                now_ms: old.now_ms,
                seed: old.seed,
                config: old.config,
                trace: old.trace,
                verdict: match old.verdict {
                    Verdict4::Applied { output, effects, .. } => Verdict::Applied { output, effects },
                    Verdict4::Trapped { kind, reason } => Verdict::Trapped { kind, reason },
                },
            }),
        }
    }
}

impl From<Source4> for Source {
    fn from(old: Source4) -> Source {
        match old {
            Source4::Anonymous => Source::Anonymous,
            Source4::Client { sender, seq, content } => Source::Client { sender, seq, content },
            Source4::Key { key, content } => Source::Key { key, content },
            Source4::Message { sender, seq, effect } => {
                Source::Message { sender, seq, effect, channel: String::new(), life: 0 }
            }
            Source4::Answer { receiver, seq, effect } => Source::Answer { receiver, seq, effect },
            Source4::Timer { name, generation } => Source::Timer { name, generation },
            Source4::Relup { switch, index } => Source::Relup { switch, index },
        }
    }
}

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

/// An instance of formats 3 and 4: it had no calls.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) struct Instance4 {
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
    kept: Vec<KeptSender>,
    before: Option<BeforeImage>,
    parked: Vec<Parked>,
    aside: Option<AsideSnapshot>,
}

impl From<Instance4> for InstanceSnapshot {
    fn from(old: Instance4) -> InstanceSnapshot {
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
            kept: old.kept,
            before: old.before,
            parked: old.parked,
            aside: old.aside,
            calls: vec![],
        }
    }
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
            calls: vec![],
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
    fn records_of_earlier_formats_are_read() {
        let input = Input4 {
            switch: 1,
            instance: "a/m/k".to_owned(),
            seq: 2,
            source: Source4::Message { sender: "a/n".to_owned(), seq: 1, effect: 0 },
            _writer: Digest::of(b"type"),
            input: vec![3],
            now_ms: 4,
            seed: 5,
            config: 1,
            trace: None,
            verdict: Verdict4::Applied { output: None, effects: vec![], _state: Digest::of(b"state") },
        };
        let expected = Record::Input(InputRecord {
            switch: 1,
            instance: "a/m/k".to_owned(),
            seq: 2,
            source: Source::Message {
                sender: "a/n".to_owned(),
                seq: 1,
                effect: 0,
                channel: String::new(),
                life: 0,
            },
            input: vec![3],
            now_ms: 4,
            seed: 5,
            config: 1,
            trace: None,
            verdict: Verdict::Applied { output: None, effects: vec![] },
        });
        assert_eq!(Record::read(&written(4, &Record4::Input(input))), Ok(expected));
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
            calls: vec![],
        };
        assert_eq!(decode_instance(&written(1, &old())), Ok(expected.clone()));
        expected.aside = Some(aside.clone());
        let second = Instance2 { old: old(), aside: Some(aside) };
        assert_eq!(decode_instance(&written(2, &second)), Ok(expected.clone()));
        expected.kept[0].answers[0].writer = Some(Digest::of(b"m"));
        let kept = expected.kept.clone();
        let fourth = Instance4 {
            address: expected.address.clone(),
            status: Status::Live,
            machine: expected.machine,
            seq: 7,
            life: 1,
            state: expected.state.clone(),
            mailbox: vec![],
            timers: vec![],
            timer_generation: 3,
            kept,
            before: expected.before.clone(),
            parked: vec![],
            aside: expected.aside.clone(),
        };
        for format in [3, 4] {
            assert_eq!(decode_instance(&written(format, &fourth)), Ok(expected.clone()));
        }
        assert_eq!(decode_instance(&written(FORMAT, &expected)), Ok(expected.clone()));
        let later = decode_instance(&written(FORMAT + 1, &expected));
        assert_eq!(later, Err(CodecError::Format(FORMAT + 1)));
    }
}
