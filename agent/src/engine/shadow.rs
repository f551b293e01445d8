//! Recorded inputs through both releases: what would come out otherwise.
//!
//! The step of the old code is done again from the recorded state; it has to come to what was recorded. The step of the
//! new code starts from the same state, taken over by `up`, with the input lifted; its answer is lowered, and its next
//! state is compared with the old one's, taken over. Each step starts from what the old code came to, so that a
//! difference is counted where it arises and not in all steps after it.

use std::collections::BTreeMap;

use camshaft_cam::run::{Ctx, EdgeArrow, Effect, Limits, Outcome, edge_arrow};
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::VerifiedEdge;
use camshaft_manifests::InstanceAddress;

use super::plan::{Change, Plan};
use super::recorder::{Recorded, Tape};
use super::step::kind;
use crate::api::{ShadowCase, ShadowExample, ShadowReport};
use crate::release::MachineCode;
use crate::replay::Scene;

/// How many examples there are of each machine, case and kind of difference.
const EXAMPLES_MAX: u64 = 3;

/// The most characters of a value in an example.
const CHARS_MAX: usize = 2_000;

/// What a step did, or kind and reason of why not.
type End = Result<Outcome, (String, String)>;

/// Gives what was recorded to both releases of a plan, of each instance the last `most` inputs.
pub fn shadow(plan: &Plan, tapes: &[Tape], most: usize) -> ShadowReport {
    let mut seen = Seen::default();
    for tape in tapes {
        let (to, edge) = match plan.pairs.get(&tape.address.machine_address()) {
            Some(Change::Moves { from, to, edge }) if from.digest() == tape.code.digest() => {
                (to, Some(&**edge))
            }
            Some(Change::Stays { to }) => (to, None),
            _ => continue,
        };
        let pair = Pair { address: &tape.address, from: &tape.code, to, edge };
        pair.shadow(tape, most, &mut seen);
    }
    seen.report
}

#[derive(Default)]
struct Seen {
    report: ShadowReport,
}

impl Seen {
    fn case(&mut self, machine: String, case: String) -> &mut ShadowCase {
        let cases = &mut self.report.cases;
        let place = cases.iter().position(|known| (&known.machine, &known.case) == (&machine, &case));
        let place = place.unwrap_or_else(|| {
            cases.push(ShadowCase { machine, case, inputs: 0, differ: BTreeMap::new() });
            cases.len() - 1
        });
        &mut cases[place]
    }
}

/// A difference: its kind, and both ends of it.
struct Difference {
    what: &'static str,
    old: String,
    new: String,
}

/// A machine before and after a switch, and one of its instances.
struct Pair<'a> {
    address: &'a InstanceAddress,
    from: &'a MachineCode,
    to: &'a MachineCode,
    /// None where the code stays.
    edge: Option<&'a VerifiedEdge>,
}

impl Pair<'_> {
    fn shadow(&self, tape: &Tape, most: usize, seen: &mut Seen) {
        let all: usize = tape.parts().map(|part| part.inputs.len()).sum();
        let mut skip = all.saturating_sub(most);
        seen.report.instances += u64::from(all > 0);
        for part in tape.parts() {
            let mut state = part.before.clone();
            for recorded in &part.inputs {
                let Some(input) = recorded.input(self.from) else { continue };
                let old = play(self.from, self.address, state.as_ref(), &input, recorded);
                if !is_as_recorded(&old, recorded) {
                    seen.report.not_reproducible += 1;
                    // What comes after it would start from a state that never was.
                    break;
                }
                if skip == 0 {
                    self.compare(state.as_ref(), &input, recorded, &old, seen);
                } else {
                    skip -= 1;
                }
                state = next(state, &old, recorded);
            }
        }
    }

    fn compare(&self, state: Option<&Value>, input: &Value, recorded: &Recorded, old: &End, seen: &mut Seen) {
        let differences = self.differences(state, input, recorded, old);
        let case = case_of(self.from, input);
        seen.report.inputs += 1;
        seen.report.same += u64::from(differences.is_empty());
        let machine = self.from.address.to_string();
        let counts = seen.case(machine, case.clone());
        counts.inputs += 1;
        let mut examples = vec![];
        for Difference { what, old, new } in differences {
            let count = counts.differ.entry(what.to_owned()).or_default();
            *count += 1;
            if *count <= EXAMPLES_MAX {
                let state = state.map(|state| shown(state, self.from.verified.state()));
                examples.push(ShadowExample {
                    instance: self.address.to_string(),
                    seq: recorded.seq,
                    case: case.clone(),
                    what: what.to_owned(),
                    state,
                    input: shown(input, self.from.verified.input()),
                    old,
                    new,
                });
            }
        }
        seen.report.examples.extend(examples);
    }

    fn differences(
        &self,
        state: Option<&Value>,
        input: &Value,
        recorded: &Recorded,
        old: &End,
    ) -> Vec<Difference> {
        let lifted = match self.take(EdgeArrow::Lift, input, Limits::STEP) {
            Ok(lifted) => lifted,
            Err(new) => return vec![Difference { what: "input", old: "it is taken".to_owned(), new }],
        };
        let up = state.map(|state| self.take(EdgeArrow::Up, state, Limits::MIGRATION)).transpose();
        // The trial of the migration tells of a state that does not go up.
        let Ok(up) = up else { return vec![] };
        let new = play(self.to, self.address, up.as_ref(), &lifted, recorded);
        let (old, new) = match (old, &new) {
            (Err(old), Err(new)) if old == new => return vec![],
            (Ok(old), Ok(new)) => (old, new),
            (old, new) => {
                let (old, new) = (self.ended(old, self.from), self.ended(new, self.to));
                return vec![Difference { what: "end", old, new }];
            }
        };
        let mut differences = vec![];
        differences.extend(self.of_answers(old, new));
        differences.extend(self.of_states(old, new));
        differences.extend(self.of_effects(old, new));
        differences
    }

    fn of_answers(&self, old: &Outcome, new: &Outcome) -> Option<Difference> {
        let (Some(was), Some(is)) = (&old.output, &new.output) else {
            let told =
                |output: &Option<Value>| if output.is_some() { "an answer" } else { "no answer" }.to_owned();
            let differs = old.output.is_some() != new.output.is_some();
            return differs.then(|| Difference {
                what: "answer",
                old: told(&old.output),
                new: told(&new.output),
            });
        };
        let ty = self.from.verified.output();
        let new = match self.take(EdgeArrow::Lower, is, Limits::STEP) {
            Ok(lowered) if lowered == *was => return None,
            Ok(lowered) => shown(&lowered, ty),
            Err(reason) => format!("{} ({reason})", shown(is, self.to.verified.output())),
        };
        Some(Difference { what: "answer", old: shown(was, ty), new })
    }

    fn of_states(&self, old: &Outcome, new: &Outcome) -> Option<Difference> {
        let ty = self.to.verified.state();
        let old = match self.take(EdgeArrow::Up, &old.state, Limits::MIGRATION) {
            Ok(up) if up == new.state => return None,
            Ok(up) => shown(&up, ty),
            Err(reason) => format!("{} ({reason})", shown(&old.state, self.from.verified.state())),
        };
        Some(Difference { what: "state", old, new: shown(&new.state, ty) })
    }

    fn of_effects(&self, old: &Outcome, new: &Outcome) -> Option<Difference> {
        let of = |code: &MachineCode, outcome: &Outcome, is_old: bool, plain: bool| {
            let effects = outcome.effects.iter().filter(|effect| !matches!(effect, Effect::Log(_)));
            effects.map(|effect| self.effect(code, effect, is_old, plain)).collect::<Vec<_>>()
        };
        if of(self.from, old, true, true) == of(self.to, new, false, true) {
            return None;
        }
        let (old, new) = (of(self.from, old, true, false), of(self.to, new, false, false));
        Some(Difference { what: "effects", old: cut(old.join("; ")), new: cut(new.join("; ")) })
    }

    /// Says what an effect is, in the types of the new machine where an arrow leads there. Messages of types that
    /// changed are not compared: their receivers have arrows for them.
    fn effect(&self, code: &MachineCode, effect: &Effect, is_old: bool, plain: bool) -> String {
        let write = |value: &Value, ty: &Ty| match plain {
            true => value.to_json(ty),
            false => value.to_json_redacted(ty),
        };
        let message = |value: &Value, old: Option<&Ty>, new: Option<&Ty>| match (old, new) {
            (Some(old), Some(new)) if old == new => write(value, old),
            _ => "(of another type)".to_owned(),
        };
        let key = |key: &Option<std::sync::Arc<str>>| {
            key.as_deref().map_or(String::new(), |key| format!("[{key}]"))
        };
        let (from, to) = (&self.from.verified, &self.to.verified);
        match effect {
            Effect::Stop => "stop".to_owned(),
            Effect::Log(line) => format!("log {line}"),
            Effect::Cancel(name) => format!("cancel {name}"),
            Effect::Timer { name, after_ms, input } => {
                let lifted = match is_old {
                    true => self.take(EdgeArrow::Lift, input, Limits::STEP),
                    false => Ok(input.clone()),
                };
                let input = lifted.map_or_else(|reason| reason, |input| write(&input, to.input()));
                format!("timer {name} after {after_ms} ms: {input}")
            }
            Effect::Send { channel, key: at, message: value } => {
                let name = &*code.verified.channels()[*channel as usize].name;
                let old = from.channel(name).map(|channel| from.module().ty(channel.message));
                let new = to.channel(name).map(|channel| to.module().ty(channel.message));
                format!("send {name}{} {}", key(at), message(value, old, new))
            }
            Effect::Call { port, key: at, message: value } => {
                let name = &*code.verified.ports()[*port as usize].name;
                let old = from.port(name).map(|port| from.module().ty(port.message));
                let new = to.port(name).map(|port| to.module().ty(port.message));
                format!("call {name}{} {}", key(at), message(value, old, new))
            }
        }
    }

    /// Takes a value along an arrow; as it is where the code stays.
    fn take(&self, arrow: EdgeArrow, value: &Value, limits: Limits) -> Result<Value, String> {
        match self.edge {
            None => Ok(value.clone()),
            Some(edge) => {
                edge_arrow(edge, arrow, value, limits).map_err(|trap| format!("{}: {trap}", kind(&trap)))
            }
        }
    }

    fn ended(&self, end: &End, code: &MachineCode) -> String {
        match end {
            Err((kind, reason)) => format!("{kind}: {reason}"),
            Ok(Outcome { output: Some(output), .. }) => {
                format!("it is applied: {}", shown(output, code.verified.output()))
            }
            Ok(_) => "it is applied".to_owned(),
        }
    }
}

fn play(
    code: &MachineCode,
    address: &InstanceAddress,
    state: Option<&Value>,
    input: &Value,
    recorded: &Recorded,
) -> End {
    let ctx = Ctx {
        now_ms: recorded.surroundings.now_ms,
        seq: i64::try_from(recorded.seq).unwrap_or(i64::MAX),
        self_key: address.key.as_ref().map_or_else(|| "".into(), |key| key.shared()),
        seed: recorded.surroundings.seed,
    };
    let links = code.channels.iter().map(|channel| &channel.link).collect();
    let (machine, config, ctx) = (&code.verified, &code.config, &ctx);
    Scene { machine, links, answer: None, config, state, input, ctx }.play().end
}

fn is_as_recorded(end: &End, recorded: &Recorded) -> bool {
    match (end, &recorded.end) {
        (Ok(outcome), Ok(output)) => outcome.output == *output,
        (Err(failed), Err(other)) => failed == other,
        _ => false,
    }
}

/// Returns the state after a step.
fn next(before: Option<Value>, end: &End, recorded: &Recorded) -> Option<Value> {
    match end {
        Err(_) => before,
        Ok(outcome) => {
            let stops = outcome.effects.iter().any(|effect| matches!(effect, Effect::Stop));
            (!stops && !recorded.unborn_again).then(|| outcome.state.clone())
        }
    }
}

fn case_of(code: &MachineCode, input: &Value) -> String {
    let Value::Sum(case, _) = input else { return String::new() };
    let variant = code.verified.input().as_variant();
    variant
        .and_then(|variant| variant.cases.get(*case as usize))
        .map_or_else(String::new, |case| case.label.to_string())
}

fn shown(value: &Value, ty: &Ty) -> String {
    cut(value.to_json_redacted(ty))
}

fn cut(text: String) -> String {
    match text.char_indices().nth(CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}
