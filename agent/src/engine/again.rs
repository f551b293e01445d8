//! Answering requests that are not new.
//!
//! A kept answer is in the types of the machine that gave it. A client that speaks just these
//! gets it as it was; for any other it goes along the edges: to what runs, and from there to what
//! the client speaks.

use camshaft_cam::digest::Digest;
use camshaft_cam::run::{EdgeArrow, Limits, edge_arrow};
use camshaft_cam::value::Value;
use camshaft_manifests::MachineAddress;

use super::admit::Refusal;
use super::instance::Instance;
use super::kept::{Identity, Known};
use super::{Reply, Shard};
use crate::release::MachineCode;
use crate::speech::{Tongue, edge, takes};

impl Shard {
    /// Returns the reply to a request that is not new.
    pub(super) fn known(
        &self,
        machine: &MachineAddress,
        instance: &Instance,
        (identity, content): (&Identity, Digest),
        tongue: &Tongue,
    ) -> Option<Reply> {
        let (answer, writer) = match instance.rest().kept.look_up(identity, content) {
            Known::New => return None,
            Known::Conflict => return Some(Reply::Refused(Refusal::Conflict)),
            Known::Expired => return Some(Reply::Refused(Refusal::Expired)),
            Known::Answered(answer, writer) => (answer, writer),
        };
        // The reason of a trap has no type, and what was kept before answers had writers is not
        // known to be of any.
        let told = match (answer, writer) {
            (Ok(json), Some(writer)) if writer != tongue.digest(&instance.code) => self
                .running(machine, &instance.code, &json, writer)
                .and_then(|value| tongue.write(&value, &instance.code))
                .map(Ok),
            (answer, _) => Ok(answer),
        };
        let version = tongue.version.clone();
        Some(match told {
            Ok(answer) => Reply::Answered { answer, repeated: true, speaks: version },
            Err(reason) => Reply::Refused(Refusal::AnswerUntold { version, reason }),
        })
    }

    /// Returns an answer in the type of the machine that runs, or why that cannot be.
    fn running(
        &self,
        machine: &MachineAddress,
        code: &MachineCode,
        json: &str,
        writer: Digest,
    ) -> Result<Value, String> {
        let read = |ty| Value::from_json(json, ty).map_err(|error| format!("it is damaged: {error}"));
        if writer == code.digest() {
            return read(code.verified.output());
        }
        let (release, left) = (self.release.as_ref(), self.left.as_ref());
        let newer = release.and_then(|release| edge(&release.resolved, &release.edges, machine, writer));
        // The machine may have had another name there: its edge is found by both its ends.
        let older = left.and_then(|left| {
            let mut edges = left.edges.values();
            edges.find(|edge| (edge.edge().from, edge.edge().to) == (code.digest(), writer)).cloned()
        });
        let (edge, which, from) = match (newer, older) {
            (Some(edge), _) => {
                let from = edge.edge().raise;
                (edge, EdgeArrow::Raise, from)
            }
            (None, Some(edge)) => {
                let from = edge.edge().lower;
                (edge, EdgeArrow::Lower, from)
            }
            _ => return Err(format!("no edge leads here from machine {}, which gave it", writer.short())),
        };
        let value = read(takes(&edge, from))?;
        edge_arrow(&edge, which, &value, Limits::STEP).map_err(|trap| trap.to_string())
    }
}
