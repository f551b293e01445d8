//! The instructions of OTP, one list: their forms, who reads them, and what there is for them here.
//!
//! The table of `docs/from-erlang.md` is made from it, and a test holds the two together.

use super::appup::{self, Read};

/// An instruction of OTP.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// How it may be written.
    pub forms: &'static [&'static str],
    /// What reads it.
    pub read: Read,
    /// What stands for it here.
    pub here: &'static str,
    /// Why.
    pub why: &'static str,
}

/// All of them: first those that `systools` expands, then those that a node executes.
pub const INSTRUCTIONS: &[Known] = &[
    Known {
        name: "update",
        forms: &[
            "{update, Mod}",
            "{update, Mod, DepMods}",
            "{update, Mod, soft}",
            "{update, Mod, soft, DepMods}",
            "{update, Mod, {advanced, Extra}}",
            "{update, Mod, {advanced, Extra}, DepMods}",
            "{update, Mod, supervisor}",
            "{update, Mod, Change, PrePurge, PostPurge, DepMods}",
            "{update, Mod, Timeout, Change, PrePurge, PostPurge, DepMods}",
            "{update, Mod, ModType, Timeout, Change, PrePurge, PostPurge, DepMods}",
        ],
        read: appup::update,
        here: "`{advanced, Extra}`: a migration, derived or written (`[from.machines.NAME] migration`). `soft`: nothing to write. \
               `supervisor`: `supervision` of app.toml",
        why: "every machine whose code changed is upgraded. A migration is typed and checked in both directions; `Extra` has no \
              counterpart, because a migration is written for one pair of versions",
    },
    Known {
        name: "load_module",
        forms: &[
            "{load_module, Mod}",
            "{load_module, Mod, DepMods}",
            "{load_module, Mod, PrePurge, PostPurge, DepMods}",
        ],
        read: appup::load_module,
        here: "nothing to write",
        why: "code that changed is found by its digest. Where the state changed too, a migration is asked for (OTP is content without: E13b)",
    },
    Known {
        name: "add_module",
        forms: &["{add_module, Mod}", "{add_module, Mod, DepMods}"],
        read: appup::add_module,
        here: "nothing to write; `machines` of app.toml",
        why: "a machine that is new in the release is added by the switch",
    },
    Known {
        name: "delete_module",
        forms: &["{delete_module, Mod}", "{delete_module, Mod, DepMods}"],
        read: appup::delete_module,
        here: "nothing to write; `machines` of app.toml",
        why: "a machine that the release lacks is removed by the switch; its instances are kept, nobody is killed",
    },
    Known {
        name: "add_application",
        forms: &["{add_application, App}", "{add_application, App, Type}"],
        read: appup::add_application,
        here: "nothing to write; `[apps]` of release.toml",
        why: "an application that is new in the release is started after the switch, after what it depends on (OTP: in the order of the .rel file, E60)",
    },
    Known {
        name: "remove_application",
        forms: &["{remove_application, App}"],
        read: appup::remove_application,
        here: "nothing to write; `[apps]` of release.toml",
        why: "an application that the release lacks is stopped after the switch, before what it depended on",
    },
    Known {
        name: "restart_application",
        forms: &["{restart_application, App}"],
        read: appup::restart_application,
        here: "`restart = \"why\"` of an entry",
        why: "it gives up the state of the application. Migrations exist so that nobody has to: take the line out, and they are asked for",
    },
    Known {
        name: "load_object_code",
        forms: &["{load_object_code, {App, Vsn, [Mod]}}"],
        read: appup::load_object_code,
        here: "the instructions `load` and `verify`, which the planner writes",
        why: "all code of the release is read and verified before anything changes",
    },
    Known {
        name: "point_of_no_return",
        forms: &["point_of_no_return"],
        read: appup::point_of_no_return,
        here: "none",
        why: "there is none: before the switch everything is undone by forgetting it, after it a rollback is another switch",
    },
    Known {
        name: "load",
        forms: &["{load, {Mod, PrePurge, PostPurge}}"],
        read: appup::load,
        here: "the instruction `switch`",
        why: "all machines go over in one durable step; none of them runs new code before",
    },
    Known {
        name: "remove",
        forms: &["{remove, {Mod, PrePurge, PostPurge}}"],
        read: appup::remove,
        here: "the instruction `switch`",
        why: "a machine without a counterpart in the new release is removed by it",
    },
    Known {
        name: "purge",
        forms: &["{purge, [Mod]}"],
        read: appup::purged,
        here: "none",
        why: "no instance is ever killed for its code: old code stays as long as something durable was written in it",
    },
    Known {
        name: "suspend",
        forms: &["{suspend, [Mod]}", "{suspend, [{Mod, Timeout}]}"],
        read: appup::suspend,
        here: "none",
        why: "there is no suspend: an instance goes over between two of its inputs, and nobody waits for another (OTP skips who is busy: E4)",
    },
    Known {
        name: "resume",
        forms: &["{resume, [Mod]}"],
        read: appup::resume,
        here: "none",
        why: "nothing was suspended",
    },
    Known {
        name: "code_change",
        forms: &["{code_change, [{Mod, Extra}]}", "{code_change, Mode, [{Mod, Extra}]}"],
        read: appup::code_change,
        here: "a migration, derived or written; the instruction `try` runs it over all live instances first",
        why: "as for `update` with `{advanced, Extra}`",
    },
    Known {
        name: "stop",
        forms: &["{stop, [Mod]}"],
        read: appup::stop,
        here: "`restart = \"why\"` of an entry, where a person chooses it",
        why: "it ends processes and loses their state; here a state is migrated",
    },
    Known {
        name: "start",
        forms: &["{start, [Mod]}"],
        read: appup::start,
        here: "as for `stop`",
        why: "it is the other half of `stop`",
    },
    Known {
        name: "sync_nodes",
        forms: &["{sync_nodes, Id, [Node]}", "{sync_nodes, Id, {M, F, A}}"],
        read: appup::sync_nodes,
        here: "the instruction `barrier`, which a rollout's plan has",
        why: "which nodes go when is the rollout's business, with a deadline (OTP waits for ever: E18)",
    },
    Known {
        name: "apply",
        forms: &["{apply, {M, F, A}}"],
        read: appup::apply,
        here: "`[[from.apply]]`: an input to a machine, with its inverse",
        why: "a function of Erlang cannot be translated, and what it did could not be undone. An input is recorded like any other",
    },
    Known {
        name: "restart_new_emulator",
        forms: &["restart_new_emulator"],
        read: appup::restart_new_emulator,
        here: "none",
        why: "what runs machines is the agent's program. It is replaced by starting the new one: instances come back from the journal with their state",
    },
    Known {
        name: "restart_emulator",
        forms: &["restart_emulator"],
        read: appup::restart_emulator,
        here: "none",
        why: "as for `restart_new_emulator`: no upgrade of a release needs a restart",
    },
];

/// Returns what stands for an instruction, and why.
///
/// # Panics
///
/// When there is no instruction of that name.
pub fn known(name: &str) -> &'static Known {
    INSTRUCTIONS.iter().find(|known| known.name == name).expect("the name of an instruction")
}
