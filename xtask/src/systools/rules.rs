//! The differences that there may be between a plan of OTP and ours, each with its reason.

/// A difference that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Applications that are new start in the order of the .rel file.
    AddedInFileOrder,
    /// What is new starts before what it needs has its new code.
    StartedOnOldCode,
    /// On the way back too, what is needed changes before who needs it.
    CalleeFirstOnTheWayBack,
    /// Applications that are gone stop in the order of the .rel file.
    RemovedInFileOrder,
    /// What is gone stops after what it needs has its new code.
    StoppedOnNewCode,
    /// DepMods pull one module of an application forward, and the others stay.
    PulledForward,
    /// Within what is suspended together, only what DepMods name is in order.
    UnnamedOrder,
    /// A module that changed and that no instruction names is not loaded.
    Forgotten,
    /// Ours: the relup has the start of an application behind the switch that brings its machines.
    StartBehindSwitch,
}

/// What there is to say of a rule.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// The rule.
    pub rule: Rule,
    /// Its name.
    pub name: &'static str,
    /// The experiments that show it in OTP.
    pub shown_by: &'static str,
    /// What OTP does.
    pub otp: &'static str,
    /// What is done here.
    pub ours: &'static str,
}

/// All rules. The table of `docs/from-erlang.md` is made from it.
pub const RULES: [Text; 9] = [
    Text {
        rule: Rule::AddedInFileOrder,
        name: "added-in-file-order",
        shown_by: "E60",
        otp: "applications that are new start in the order of the .rel file, also before what they depend on; the error is ignored",
        ours: "they start in the order of what they depend on",
    },
    Text {
        rule: Rule::StartedOnOldCode,
        name: "started-on-old-code",
        shown_by: "E60: add_application is put in front",
        otp: "an application that is new starts while what it depends on still runs its old code",
        ours: "it starts after the switch",
    },
    Text {
        rule: Rule::CalleeFirstOnTheWayBack,
        name: "callee-first-on-the-way-back",
        shown_by: "E66",
        otp: "the order of applications is not reversed on the way back: who is still new calls who is old already",
        ours: "all go back in one switch",
    },
    Text {
        rule: Rule::RemovedInFileOrder,
        name: "removed-in-file-order",
        shown_by: "E60, the other way round",
        otp: "applications that are gone stop in the order of the .rel file, also before who depends on them",
        ours: "they stop in the reverse order of what they depend on",
    },
    Text {
        rule: Rule::StoppedOnNewCode,
        name: "stopped-on-new-code",
        shown_by: "E60, the other way round: remove_application is put at the end",
        otp: "an application that is gone still runs when what it depends on has its new code",
        ours: "its machines end in the switch",
    },
    Text {
        rule: Rule::PulledForward,
        name: "pulled-forward",
        shown_by: "E24",
        otp: "DepMods load a module together with what depends on it, so that a caller is new while other modules of what it needs are old",
        ours: "all go over in one switch",
    },
    Text {
        rule: Rule::UnnamedOrder,
        name: "unnamed-order",
        shown_by: "E24",
        otp: "modules that DepMods join are in order only where DepMods say so, whatever their applications depend on",
        ours: "all go over in one switch",
    },
    Text {
        rule: Rule::Forgotten,
        name: "forgotten",
        shown_by: "E13",
        otp: "a module that changed and that no instruction names keeps its old code, in a release that says it has the new",
        ours: "what changed is found by its digest",
    },
    Text {
        rule: Rule::StartBehindSwitch,
        name: "start-behind-switch",
        shown_by: "no fault of OTP",
        otp: "an application that is new starts before who needs it has its new code",
        ours: "the relup has its start behind the switch, but the switch itself brings its machines: they and who needs them come at one moment",
    },
];

impl Rule {
    /// Returns what there is to say of it.
    pub fn text(self) -> &'static Text {
        RULES.iter().find(|text| text.rule == self).expect("every rule has a text")
    }
}
