//! Shapes of earlier formats, and how they are read as those of today.

use camshaft_cam::digest::Digest;
use serde::Deserialize;

use crate::codec::digest_bytes;
use crate::record::ClientSeen;
use crate::record::{Control, Effect, InputRecord, Record, Source, Verdict};
use crate::snapshot::{
    AsideSnapshot, BeforeImage, CallSnapshot, InstanceSnapshot, KeptAnswer, KeptSender, MailOrigin,
    MailSnapshot, Parked, ParkedItem, Saved, SavedLane, SavedMail, SavedNode, Status, TimerSnapshot,
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
    mailbox: Vec<Mail5>,
    timers: Vec<Timer5>,
    timer_generation: u64,
    kept: Vec<Sender1>,
    before: Option<Before5>,
    parked: Vec<Parked5>,
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
    mailbox: Vec<Mail5>,
    timers: Vec<Timer5>,
    timer_generation: u64,
    kept: Vec<KeptSender>,
    before: Option<Before5>,
    parked: Vec<Parked5>,
    aside: Option<AsideSnapshot>,
}

impl From<Instance4> for InstanceSnapshot {
    fn from(old: Instance4) -> InstanceSnapshot {
        InstanceSnapshot {
            address: old.address,
            status: old.status,
            switch: 0,
            machine: old.machine,
            seq: old.seq,
            life: old.life,
            state: old.state,
            mailbox: all(old.mailbox),
            timers: all(old.timers),
            timer_generation: old.timer_generation,
            kept: old.kept,
            before: old.before.map(BeforeImage::from),
            parked: all(old.parked),
            aside: old.aside,
            calls: vec![],
            rewind: None,
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
            switch: 0,
            machine: old.machine,
            seq: old.seq,
            life: old.life,
            state: old.state,
            mailbox: all(old.mailbox),
            timers: all(old.timers),
            timer_generation: old.timer_generation,
            kept: old.kept.into_iter().map(KeptSender::from).collect(),
            before: old.before.map(BeforeImage::from),
            parked: all(old.parked),
            aside,
            calls: vec![],
            rewind: None,
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

/// A message of formats 1 to 5.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) struct Mail5 {
    origin: MailOrigin,
    #[serde(with = "digest_bytes")]
    writer: Digest,
    input: Vec<u8>,
    trace: Option<String>,
}

/// A timer of formats 1 to 5.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) struct Timer5 {
    name: String,
    generation: u64,
    due_ms: i64,
    #[serde(with = "digest_bytes")]
    writer: Digest,
    input: Vec<u8>,
    trace: Option<String>,
}

/// A state from before a switch of formats 1 to 5.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) struct Before5 {
    #[serde(with = "digest_bytes")]
    machine: Digest,
    state: Vec<u8>,
}

/// What was parked in formats 1 to 5.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) struct Parked5 {
    item: ParkedItem5,
    reason: String,
    switch: u64,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
enum ParkedItem5 {
    Mail(Mail5),
    Timer(Timer5),
    Call(CallSnapshot),
}

/// An entry of a state snapshot of format 5: everything had gone over the switch of its lane.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) enum Saved5 {
    Node(SavedNode),
    Lane(Lane5),
    Instance(Instance5),
    Mail(SavedMail5),
    End { count: u64 },
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) struct Lane5 {
    switch: u64,
    config: u64,
    now_ms: i64,
    clients: Vec<ClientSeen>,
}

/// An instance of format 5.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) struct Instance5 {
    old: Instance4,
    calls: Vec<CallSnapshot>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) struct SavedMail5 {
    to: String,
    mail: Mail5,
    expects: Option<u64>,
}

/// An instance of format 6: nothing was kept of what it did since a switch.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(crate) struct Instance6 {
    address: String,
    status: Status,
    switch: u64,
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
    calls: Vec<CallSnapshot>,
}

/// An entry of a state snapshot of format 6.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[expect(clippy::large_enum_variant, reason = "nearly all entries are instances")]
pub(crate) enum Saved6 {
    Node(SavedNode),
    Lane(SavedLane),
    Instance(Instance6),
    Mail(SavedMail),
    End { count: u64 },
}

fn all<A: Into<B>, B>(old: Vec<A>) -> Vec<B> {
    old.into_iter().map(Into::into).collect()
}

impl From<Mail5> for MailSnapshot {
    fn from(Mail5 { origin, writer, input, trace }: Mail5) -> MailSnapshot {
        MailSnapshot { origin, writer, input, trace, switch: 0 }
    }
}

impl From<Timer5> for TimerSnapshot {
    fn from(Timer5 { name, generation, due_ms, writer, input, trace }: Timer5) -> TimerSnapshot {
        TimerSnapshot { name, generation, due_ms, writer, input, trace, switch: 0 }
    }
}

impl From<Before5> for BeforeImage {
    fn from(Before5 { machine, state }: Before5) -> BeforeImage {
        BeforeImage { machine, state, aside: None }
    }
}

impl From<Parked5> for Parked {
    fn from(Parked5 { item, reason, switch }: Parked5) -> Parked {
        let item = match item {
            ParkedItem5::Mail(mail) => ParkedItem::Mail(mail.into()),
            ParkedItem5::Timer(timer) => ParkedItem::Timer(timer.into()),
            ParkedItem5::Call(call) => ParkedItem::Call(call),
        };
        Parked { item, reason, switch }
    }
}

impl From<Instance5> for InstanceSnapshot {
    fn from(Instance5 { old, calls }: Instance5) -> InstanceSnapshot {
        InstanceSnapshot { calls, ..old.into() }
    }
}

impl From<Instance6> for InstanceSnapshot {
    fn from(old: Instance6) -> InstanceSnapshot {
        InstanceSnapshot {
            address: old.address,
            status: old.status,
            switch: old.switch,
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
            calls: old.calls,
            rewind: None,
        }
    }
}

impl From<Saved6> for Saved {
    fn from(old: Saved6) -> Saved {
        match old {
            Saved6::Node(node) => Saved::Node(node),
            Saved6::Lane(lane) => Saved::Lane(lane),
            Saved6::Instance(old) => Saved::Instance(old.into()),
            Saved6::Mail(mail) => Saved::Mail(mail),
            Saved6::End { count } => Saved::End { count },
        }
    }
}

impl From<Saved5> for Saved {
    fn from(old: Saved5) -> Saved {
        match old {
            Saved5::Node(node) => Saved::Node(node),
            Saved5::Lane(Lane5 { switch, config, now_ms, clients }) => {
                Saved::Lane(SavedLane { switch, config, now_ms, clients })
            }
            Saved5::Instance(old) => Saved::Instance(old.into()),
            Saved5::Mail(SavedMail5 { to, mail, expects }) => {
                Saved::Mail(SavedMail { to, mail: mail.into(), expects })
            }
            Saved5::End { count } => Saved::End { count },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{CodecError, FORMAT, decode_instance, encode};
    use crate::snapshot::{RewindSnapshot, TakenSnapshot};

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
            before: Some(Before5 { machine: Digest::of(b"old"), state: vec![9] }),
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
            switch: 0,
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
            before: Some(BeforeImage { machine: Digest::of(b"old"), state: vec![9], aside: None }),
            parked: vec![],
            aside: None,
            calls: vec![],
            rewind: None,
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
            before: Some(Before5 { machine: Digest::of(b"old"), state: vec![9] }),
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

    /// The first fields of an instance of today are those of format 6.
    #[test]
    fn an_instance_of_format_6_has_nothing_for_a_rewind() {
        let aside = AsideSnapshot { edge: Digest::of(b"edge"), kept: vec![4] };
        let before = BeforeImage { machine: Digest::of(b"old"), state: vec![9], aside: Some(aside.clone()) };
        let sixth = || Instance6 {
            address: "a/m/k".to_owned(),
            status: Status::Live,
            switch: 3,
            machine: Digest::of(b"m"),
            seq: 7,
            life: 1,
            state: Some(vec![1, 2]),
            mailbox: vec![],
            timers: vec![],
            timer_generation: 3,
            kept: vec![],
            before: Some(before.clone()),
            parked: vec![],
            aside: Some(aside.clone()),
            calls: vec![],
        };
        let expected: InstanceSnapshot = sixth().into();
        assert_eq!(decode_instance(&written(6, &sixth())), Ok(expected.clone()));
        assert_eq!(
            Saved::read(&written(6, &Saved6::Instance(sixth()))),
            Ok(Saved::Instance(expected.clone()))
        );
        assert_eq!(Saved::read(&written(6, &Saved6::End { count: 5 })), Ok(Saved::End { count: 5 }));
        let taken = TakenSnapshot {
            seq: 8,
            input: vec![1],
            older: true,
            now_ms: 4,
            seed: 5,
            asked: Some(("a/n".to_owned(), "out".to_owned())),
            verdict: Verdict::Applied { output: None, effects: vec![Effect::Stop] },
        };
        let rewind = RewindSnapshot::Kept { start: Some(before.clone()), inputs: vec![taken] };
        let today = Saved::Instance(InstanceSnapshot { rewind: Some(rewind), ..expected });
        assert_eq!(Saved::read(&today.to_bytes()), Ok(today));
    }

    #[test]
    fn what_waited_in_format_5_went_over_the_switch_of_its_lane() {
        let origin = || MailOrigin::Port { seq: 1, effect: 2 };
        let writer = Digest::of(b"m");
        let mail = || Mail5 { origin: origin(), writer, input: vec![3], trace: None };
        let timer =
            Timer5 { name: "t".to_owned(), generation: 1, due_ms: 2, writer, input: vec![], trace: None };
        let parked = |item| Parked5 { item, reason: "so".to_owned(), switch: 2 };
        let instance = Instance4 {
            address: "a/m/k".to_owned(),
            status: Status::Live,
            machine: writer,
            seq: 7,
            life: 1,
            state: None,
            mailbox: vec![mail()],
            timers: vec![timer],
            timer_generation: 3,
            kept: vec![],
            before: None,
            parked: vec![parked(ParkedItem5::Mail(mail()))],
            aside: None,
        };
        let read = |old: &Saved5| Saved::read(&written(5, old));
        let expected = MailSnapshot { origin: origin(), writer, input: vec![3], trace: None, switch: 0 };
        let Ok(Saved::Instance(read_back)) =
            read(&Saved5::Instance(Instance5 { old: instance, calls: vec![] }))
        else {
            panic!("it is an instance");
        };
        assert_eq!((read_back.switch, &read_back.mailbox), (0, &vec![expected.clone()]));
        assert_eq!(read_back.timers[0].switch, 0);
        assert_eq!(read_back.parked[0].item, ParkedItem::Mail(expected.clone()));
        let lane = Lane5 { switch: 4, config: 3, now_ms: 9, clients: vec![] };
        let today = SavedLane { switch: 4, config: 3, now_ms: 9, clients: vec![] };
        assert_eq!(read(&Saved5::Lane(lane)), Ok(Saved::Lane(today)));
        let on_its_way = SavedMail5 { to: "a/m".to_owned(), mail: mail(), expects: Some(1) };
        let saved = SavedMail { to: "a/m".to_owned(), mail: expected, expects: Some(1) };
        assert_eq!(read(&Saved5::Mail(on_its_way)), Ok(Saved::Mail(saved)));
        assert_eq!(read(&Saved5::End { count: 5 }), Ok(Saved::End { count: 5 }));
    }
}
