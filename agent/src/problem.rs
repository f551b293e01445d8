//! Everything that an agent refuses, in one list: code, HTTP status, title and hint.

use std::collections::BTreeMap;

use camshaft_manifests::signers::Distrust;
use camshaft_registry::tuf::MetadataError;

use crate::api::{Changed, Problem};
use crate::engine::Refusal;

/// A row of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The code, for programs.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What it is, for people.
    pub title: &'static str,
    /// What to do about it.
    pub hint: &'static str,
}

macro_rules! codes {
    ($($name:ident = $code:literal, $status:literal, $title:literal, $hint:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: Code = Code { code: $code, status: $status, title: $title, hint: $hint };
        )*

        /// All codes.
        pub const CODES: &[Code] = &[$($name),*];
    };
}

codes! {
    WRONG_TYPE = "wrong-type", 400, "The input is not of the machine's input type",
        "compare the input with the machine's `type Input`";
    INTERNAL_INPUT = "internal-input", 400, "The input may not come from outside",
        "send one of the inputs that are not marked `internal`";
    UNKNOWN_VERSION = "unknown-version", 400, "The running release does not speak this version",
        "say one of the versions that it speaks in Camshaft-Speaks; a release speaks its own and those of its `from`";
    BAD_REQUEST = "bad-request", 400, "The request is not as it should be",
        "compare the request with the documentation of the HTTP interface";
    BAD_BUNDLE = "bad-bundle", 400, "The bundle cannot be used",
        "build it again with `camshaft build`; look into it with `camshaft inspect`";
    FOREIGN = "foreign-origin", 403, "The request comes from a web page or for another host",
        "reach the agent by its loopback address, and not from a browser";
    UNSIGNED = "unsigned", 403, "The bundle is not signed",
        "sign it with `camshaft sign BUNDLE`, and keep NAME-VERSION.sig.json beside the bundle";
    BAD_SIGNATURE_FILE = "bad-signature-file", 403, "The signature file of the bundle is refused",
        "get the signature file again, or sign the bundle again";
    BAD_SIGNATURE = "bad-signature", 403, "A signature of the bundle does not hold",
        "get the bundle and its signature file again";
    UNKNOWN_SIGNER = "unknown-signer", 403, "Nobody who may sign this release has signed it",
        "let those sign it who may; `camshaft inspect BUNDLE --trust FILE` shows who has";
    TOO_FEW_SIGNATURES = "too-few-signatures", 403, "Too few of those who may sign this release have signed it",
        "let more of them sign it; `camshaft inspect BUNDLE --trust FILE` shows who has";
    OTHER_BUNDLE_SIGNED = "other-bundle-signed", 403, "The signatures are those of another bundle",
        "get the signature file of this bundle; a bundle that was built again needs new signatures";
    NO_SIGNERS = "no-signers", 403, "Nobody may sign releases of this name",
        "add a [[release]] with this name to what the node trusts";
    BELOW_FLOOR = "below-floor", 403, "The release is older than what the node takes",
        "use a release from the floor on; `camshaft node rollback` goes back to what ran here";
    LISTED_OTHERWISE = "listed-otherwise", 403, "The registry lists another bundle under this name and version",
        "get the bundle from the registry; a bundle that was built again is another one";
    YANKED = "yanked", 403, "The release was yanked",
        "use another release; `camshaft node rollback` goes back to what ran here";
    METADATA_UNAVAILABLE = "metadata-unavailable", 403, "There is no metadata to trust",
        "name a source: camshaft agent --metadata REGISTRY; is it reached, and does it have a folder tuf?";
    METADATA_OLDER = "metadata-older", 403, "The metadata is older than what was trusted before",
        "somebody replays it, or the registry came back from a backup: refresh it there until its versions are higher, or change the online key";
    METADATA_MIXED = "metadata-mixed", 403, "The metadata does not belong together",
        "somebody changed it, or it is being written: try again, then look at the registry";
    METADATA_TOO_LARGE = "metadata-too-large", 403, "The metadata is too large",
        "look at the registry: no file of its folder tuf has more than 8 MiB";
    METADATA_SIGNATURE = "metadata-signature", 403, "The metadata is not signed by the keys that count",
        "somebody changed it, or keys were changed without the old ones: `camshaft trust rotate` signs a new root with both";
    METADATA_GARBLED = "metadata-garbled", 403, "The metadata is garbled",
        "look at the registry: `camshaft trust show` says what is wrong";
    METADATA_EXPIRED = "metadata-expired", 403, "The metadata has expired",
        "refresh it: camshaft trust refresh; a frozen registry looks the same. `camshaft node rollback` needs no metadata";
    NOT_FOUND = "not-found", 404, "There is nothing at this address",
        "`camshaft node status` lists the machines that run";
    NO_CAPSULE = "no-capsule", 404, "The node keeps no such capsule",
        "`camshaft node capsule` lists them; the last of each machine and case are kept until the agent ends";
    METHOD = "method-not-allowed", 405, "The address does not take this method",
        "inputs and commands are sent with POST, questions with GET";
    CONFLICT = "conflict", 409, "Another input was sent under this identity",
        "a new input needs a new number or key";
    EXPIRED = "expired", 409, "The answer to this input is no longer kept",
        "it was applied once and will not be applied again; ask the machine for its state";
    ANSWER_UNTOLD = "answer-untold", 409, "The answer cannot be told in the version that the client speaks",
        "the input was applied once and will not be applied again; repeat it in the version in which it was answered, or ask the machine for its state";
    CLIENTS_LEFT_BEHIND = "clients-left-behind", 409, "Clients speak a version that the release does not",
        "add the version to the release's `from`, or move these clients first; to leave them behind: camshaft node upgrade --drop-clients VERSION";
    NOT_EMPTY = "not-empty", 409, "The node is not empty",
        "use `camshaft node upgrade`; `install` is for an empty node";
    EMPTY = "empty", 409, "The node is empty",
        "install a release first: camshaft node install BUNDLE";
    OTHER_BASE = "other-base", 409, "The upgrade starts from another machine",
        "build an upgrade whose `from` is the release that runs; `camshaft node status` names it";
    PROVISIONAL = "provisional", 409, "The running release is provisional",
        "settle it first: camshaft node make-permanent, or camshaft node rollback";
    BAD_RELUP = "bad-relup", 409, "The upgrade's instructions are refused",
        "build the bundle again with this version of camshaft";
    BAD_PATCH = "bad-patch", 409, "The patch bundle is refused",
        "make it for just this bundle: camshaft relup patch RUNNING NEW";
    NAME_TAKEN = "name-taken", 409, "An application is to have a name that states of another one are put away under",
        "give it another name, or leave it the one that it has; what is put away keeps its name for good, so that it can come back and nothing that was answered is done twice; `camshaft node drop` does not free it";
    UNBOUND_PORT = "unbound-port", 409, "A machine calls a port that is not bound on this node",
        "bind it in the agent.toml of the node and start the agent with --config; the notes have the lines";
    TRIAL_FAILED = "trial-failed", 409, "The upgrade does not pass on the live state",
        "mend the migration that the failure names and build again; nothing was changed";
    NOT_RECORDED = "not-recorded", 409, "There are no recorded inputs to compare",
        "set `shadow` in [limits] of agent.toml, start the agent anew, and try again after some inputs";
    SHADOW_DIFFERS = "shadow-differs", 409, "Recorded inputs come out otherwise in the new release",
        "look at the examples of `camshaft node try --shadow`; if they are meant, add --allow-differences";
    CANNOT_CATCH_UP = "cannot-catch-up", 409, "The instances change faster than they can be tried",
        "try again when there is less to do; nothing was changed";
    NOTHING_TO_ROLL_BACK = "nothing-to-roll-back", 409, "There is no release to go back to",
        "a rollback goes to the release that ran before the last upgrade";
    WOULD_HOLD = "would-hold", 409, "The rollback would hold instances",
        "look at the failures; roll back with --force to hold these instances and go on with the rest";
    NOT_PROVISIONAL = "not-provisional", 409, "The running release is permanent already",
        "there is nothing to do";
    TAKEOVER_PROTOCOL = "takeover-protocol", 409, "The agents do not speak the same way of taking over",
        "stop the agent that runs and start the new one; its clients wait for as long as that takes";
    TAKEOVER_USER = "takeover-user", 403, "The node belongs to another user",
        "start the new agent as the user whose agent runs";
    TAKEOVER_FORMATS = "takeover-formats", 409, "The new agent cannot read what the node writes",
        "use an agent that is as new as the one that runs; the one that runs serves on";
    TAKEOVER_RELEASE = "takeover-release", 409, "The new agent cannot run the release of the node",
        "use an agent that knows it, or upgrade the node first; the one that runs serves on";
    TAKEOVER_LISTEN = "takeover-listen", 409, "The new agent is told to listen elsewhere",
        "leave --listen out, in the agent.toml too: the socket of the agent that runs is handed over; another address takes a stop and a start";
    TAKEOVER_FAILED = "takeover-failed", 409, "The new agent did not take the node over",
        "look at the new agent's log; the one that ran before serves on";
    UNKNOWN_RELEASE = "unknown-release", 404, "The node keeps no such release",
        "`camshaft node status --json` lists those that it keeps";
    RELEASE_NEEDED = "release-needed", 409, "The release is needed",
        "let its holder go first; `camshaft node drop INSTANCE` gives up what is archived or parked of an instance";
    WAY_BACK = "way-back", 409, "The release is one that the node can go back to",
        "say --no-way-back to give that up";
    CANCELLED = "cancelled", 409, "The command was cancelled",
        "nothing was changed; begin it again when it suits";
    NOTHING_TO_CANCEL = "nothing-to-cancel", 409, "Nothing is tried on this node",
        "only the trial before a switch can be cancelled; `camshaft node rollback` goes back from one that was made";
    OPERATION_RUNS = "operation-runs", 409, "Another command is at work on this node",
        "wait until it ends, then look at `camshaft node status`";
    LACKS_FILES = "lacks-files", 409, "The node lacks files of the bundle",
        "send the bundle whole; `camshaft node` does so by itself";
    NO_REGISTRY = "no-registry", 409, "The node has no registry",
        "start the agent with --registry, or send the bundle: camshaft node upgrade FILE";
    NOT_IN_REGISTRY = "not-in-registry", 409, "The registry does not give this release",
        "`camshaft registry list` shows what there is";
    UNDONE = "undone", 409, "The upgrade was switched, did not pass its checks and was undone",
        "the node runs the release from before, with all later inputs; mend what the reason names";
    PROBATION_TRAPS = "probation-traps", 409, "Inputs trapped more often than before the upgrade, and it was undone",
        "the node runs the release from before, with all later inputs; send the case that the reason names to the new release";
    PROBATION_INVARIANT = "probation-invariant", 409, "An invariant did not hold after the upgrade, and it was undone",
        "the node runs the release from before, with all later inputs; mend what the reason names";
    PROBATION_ENDS = "probation-ends", 409, "The agent ended again and again after the upgrade, and it was undone",
        "the node runs the release from before, with all later inputs; look at the agent's log and at the machine";
    NOTHING_TO_REDRIVE = "nothing-to-redrive", 409, "There is nothing that could go on",
        "`camshaft node instances --held` and `camshaft node parked` list what waits for an operator";
    TOO_LARGE = "too-large", 413, "The body is too large",
        "inputs and lines may have 1 MiB, batches 16 MiB, bundles 64 MiB; any number of lines goes over POST /v1/stream";
    TRAP = "trap", 422, "The machine refuses the input",
        "the state is what it was; the detail says why";
    INPUT_NOT_LIFTED = "input-not-lifted", 422, "The input has no counterpart in the running release",
        "the state is what it was; the detail says why, and `camshaft diff` lists what changed for clients";
    NO_ANSWER = "no-answer-for-version", 422, "The answer has no counterpart in the version that the client speaks",
        "nothing was applied; send it in a later version, or mend `lower` in the release's migration";
    BUSY = "busy", 429, "Too many inputs wait",
        "send it again a little later, with the same identity";
    FAULT = "fault", 500, "The agent cannot go on",
        "look at the agent's log; it recovers from its journal when it is started again";
    BACKUP_FAILED = "backup-failed", 500, "The data folder cannot be read for a backup",
        "the node serves on; the detail says what is damaged: look at its disk";
    REGISTRY_FAILED = "registry-failed", 502, "The registry cannot be used",
        "look at the registry, and at the way to it; or send the bundle: camshaft node upgrade FILE";
    DISK_FULL = "disk-full", 503, "The disk of the node is full",
        "make room on it: the agent goes on by itself then; what changes nothing is answered meanwhile";
    HELD = "held", 503, "The instance is held",
        "it does not come back by itself: `camshaft node instances --held` says why; then `camshaft node release INSTANCE`, or `reset`";
    STOPPING = "stopping", 503, "The agent is stopping",
        "send it again when the agent runs again, with the same identity";
}

/// The name among [`Problem::more`] of the seconds after which it is worth trying again.
pub const RETRY_AFTER: &str = "retry_after";

impl Code {
    /// Returns a problem of this kind.
    pub fn problem(&self, detail: impl Into<String>) -> Box<Problem> {
        Box::new(Problem {
            kind: "about:blank".to_owned(),
            status: self.status,
            title: self.title.to_owned(),
            detail: detail.into(),
            code: self.code.to_owned(),
            hint: self.hint.to_owned(),
            trial: None,
            report: None,
            notes: vec![],
            changed: Changed::No,
            more: BTreeMap::new(),
        })
    }
}

/// Returns the problem of a refused request.
pub fn of_refusal(refusal: &Refusal) -> Box<Problem> {
    let code = match refusal {
        Refusal::NoRelease => EMPTY,
        Refusal::UnknownMachine(_) | Refusal::KeyMissing(_) | Refusal::KeyUnwanted(_) => NOT_FOUND,
        Refusal::MachineUnspoken { .. } => NOT_FOUND,
        Refusal::UnknownVersion { .. } => UNKNOWN_VERSION,
        Refusal::NotLifted { .. } => INPUT_NOT_LIFTED,
        Refusal::NoAnswer { .. } => NO_ANSWER,
        Refusal::AnswerUntold { .. } => ANSWER_UNTOLD,
        Refusal::WrongType(_) => WRONG_TYPE,
        Refusal::Internal(_) => INTERNAL_INPUT,
        Refusal::Conflict => CONFLICT,
        Refusal::Expired => EXPIRED,
        Refusal::Busy(_) => BUSY,
        Refusal::DiskFull => DISK_FULL,
        Refusal::Held { .. } => HELD,
    };
    let hint = match refusal {
        // To a client, an empty node has nothing at any address.
        Refusal::NoRelease => return Box::new(Problem { status: 404, ..*code.problem(refusal.to_string()) }),
        Refusal::KeyMissing(_) => "add a key: app/machine/key",
        Refusal::KeyUnwanted(_) => "leave the key out: app/machine",
        Refusal::MachineUnspoken { .. } => "speak a version that has it, in Camshaft-Speaks",
        _ => code.hint,
    };
    let mut problem = Box::new(Problem { hint: hint.to_owned(), ..*code.problem(refusal.to_string()) });
    if let Refusal::UnknownVersion { spoken, .. } = refusal {
        problem.more.insert("speaks".to_owned(), spoken.join(", "));
    }
    problem
}

/// Returns the problem of a bundle that is not trusted.
pub fn of_distrust(distrust: &Distrust) -> Box<Problem> {
    let code = CODES.iter().find(|code| code.code == distrust.code());
    code.unwrap_or(&BAD_SIGNATURE_FILE).problem(distrust.to_string())
}

/// Returns the problem of metadata that is not trusted.
pub fn of_metadata(error: &MetadataError) -> Box<Problem> {
    let code = CODES.iter().find(|code| code.code == error.code());
    code.unwrap_or(&FAULT).problem(error.to_string())
}

/// Returns the problem of a data folder that cannot be read for a backup.
pub fn of_backup(error: &camshaft_store::StoreError) -> Box<Problem> {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        reason += &format!(": {error}");
        source = error.source();
    }
    BACKUP_FAILED.problem(reason)
}

/// Returns the problem of an input that trapped.
pub fn of_trap(kind: &str, reason: &str) -> Box<Problem> {
    let mut problem = TRAP.problem(reason);
    problem.more.insert("trap".to_owned(), kind.to_owned());
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_say_what_to_do() {
        let unique: std::collections::BTreeSet<_> = CODES.iter().map(|code| code.code).collect();
        assert_eq!(unique.len(), CODES.len());
        assert!(Distrust::CODES.iter().all(|code| unique.contains(code)), "each distrust has a row");
        assert!(CODES.iter().all(|code| !code.hint.is_empty() && (400..600).contains(&code.status)));
    }

    /// The table of codes in `docs/http.md`; `UPDATE_EXPECT=1` writes it anew.
    #[test]
    fn the_page_has_every_code() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/http.md");
        let page = std::fs::read_to_string(&path).expect("the page");
        let rows = CODES.iter().map(|row| {
            format!(
                "| {} | `{}` | {} | {} |\n",
                row.status,
                row.code,
                row.title,
                row.hint.replace('|', "\\|")
            )
        });
        let rows: String = rows.collect();
        let table = format!("| status | code | what it is | what to do |\n|---|---|---|---|\n{rows}");
        let (begin, end) = ("<!-- begin codes -->\n", "<!-- end codes -->");
        let (head, rest) = page.split_once(begin).expect("the mark where the table begins");
        let (found, tail) = rest.split_once(end).expect("the mark where it ends");
        if found != table && std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, format!("{head}{begin}{table}{end}{tail}")).expect("writable");
            return;
        }
        assert_eq!(found, table, "run with UPDATE_EXPECT=1 to write it anew");
    }
}
