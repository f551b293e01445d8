//! Recorded inputs through both releases: what would come out otherwise.
//!
//! The step of the old code is done again from the recorded state; it has to come to what was recorded. The step of the
//! new code starts from the same state, taken over by `up`, with the input lifted; its answer is lowered, and its next
//! state is compared with the old one's, taken over. Each step starts from what the old code came to, so that a
//! difference is counted where it arises and not in all steps after it.

use std::collections::BTreeMap;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::{Ctx, EdgeArrow, Effect, Limits, Outcome, edge_arrow};
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::{VerifiedEdge, VerifiedLink, VerifiedMachine};
use camshaft_manifests::{InstanceAddress, MachineAddress};

use super::plan::{Change, Plan};
use super::recorder::{Recorded, Tape};
use super::step::kind;
use crate::api::{ShadowCapsule, ShadowCase, ShadowExample, ShadowReport};
use crate::release::MachineCode;
use crate::replay::{Played, Scene};

/// How many examples there are of each machine, case and kind of difference.
const EXAMPLES_MAX: u64 = 3;

/// The most characters of a value in an example.
const CHARS_MAX: usize = 2_000;

/// The most characters of a value in a capsule of an example.
const CAPSULE_CHARS_MAX: usize = 256 << 10;

/// What a step did, or kind and reason of why not.
pub(crate) type End = Result<Outcome, (String, String)>;

/// Gives what was recorded to both releases of a plan, of each instance the last `most` inputs.
pub fn shadow(plan: &Plan, tapes: &[Tape], most: usize) -> ShadowReport {
    shadow_of(plan, tapes, most, |_| true)
}

/// Gives all that was recorded of the machines that promise to do what they did to both releases of a plan.
pub fn shadow_preserved(plan: &Plan, tapes: &[Tape]) -> ShadowReport {
    shadow_of(plan, tapes, usize::MAX, |machine| plan.preserves(machine))
}

fn shadow_of(
    plan: &Plan,
    tapes: &[Tape],
    most: usize,
    wanted: impl Fn(&MachineAddress) -> bool,
) -> ShadowReport {
    let mut seen = Seen::default();
    for tape in tapes.iter().filter(|tape| wanted(&tape.address.machine_address())) {
        let (to, edge) = match plan.pairs.get(&tape.address.machine_address()) {
            Some(Change::Moves { from, to, edge }) if from.digest() == tape.code.digest() => {
                (to, Some(&**edge))
            }
            Some(Change::Stays { to }) => (to, None),
            _ => continue,
        };
        let both = Both { from: Side::of(&tape.code), to: Side::of(to), edge };
        let pair = Pair { address: &tape.address, code: [&*tape.code, &**to], both };
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
            cases.push(ShadowCase { machine, case, inputs: 0, differing: 0, differ: BTreeMap::new() });
            cases.len() - 1
        });
        &mut cases[place]
    }
}

/// A difference: its kind, and both ends of it.
pub(crate) struct Difference {
    pub(crate) what: &'static str,
    pub(crate) old: String,
    pub(crate) new: String,
}

/// A machine as a release has it.
pub(crate) struct Side<'a> {
    pub(crate) machine: &'a VerifiedMachine,
    /// The links of its channels, in the order of the code's.
    pub(crate) links: Vec<&'a VerifiedLink>,
    pub(crate) config: &'a Value,
}

impl Side<'_> {
    fn of(code: &MachineCode) -> Side<'_> {
        let links = code.channels.iter().map(|channel| &channel.link).collect();
        Side { machine: &code.verified, links, config: &code.config }
    }

    /// Does a step.
    pub(crate) fn play(&self, moment: &Moment<'_>) -> Played {
        let Side { machine, links, config } = self;
        let Moment { state, input, ctx } = *moment;
        Scene { machine, links: links.clone(), answer: None, config, state, input, ctx }.play()
    }
}

/// What a step sees, in the types of the machine before the switch.
pub(crate) struct Moment<'a> {
    pub(crate) state: Option<&'a Value>,
    pub(crate) input: &'a Value,
    pub(crate) ctx: &'a Ctx,
}

/// A machine before and after a switch.
pub(crate) struct Both<'a> {
    pub(crate) from: Side<'a>,
    pub(crate) to: Side<'a>,
    /// None where the code stays.
    pub(crate) edge: Option<&'a VerifiedEdge>,
}

/// The same, of one of its instances.
struct Pair<'a> {
    address: &'a InstanceAddress,
    code: [&'a MachineCode; 2],
    both: Both<'a>,
}

impl Pair<'_> {
    fn shadow(&self, tape: &Tape, most: usize, seen: &mut Seen) {
        let all: usize = tape.parts().map(|part| part.inputs.len()).sum();
        let mut skip = all.saturating_sub(most);
        seen.report.instances += u64::from(all > 0);
        for part in tape.parts() {
            let mut state = part.before.clone();
            for recorded in &part.inputs {
                let Some(input) = recorded.input(self.code[0]) else { continue };
                let ctx = ctx_of(self.address, recorded);
                let moment = Moment { state: state.as_ref(), input: &input, ctx: &ctx };
                let old = self.both.from.play(&moment);
                if !is_as_recorded(&old.end, recorded) {
                    seen.report.not_reproducible += 1;
                    // What comes after it would start from a state that never was.
                    break;
                }
                if skip == 0 {
                    self.compare(&moment, &old, seen);
                } else {
                    skip -= 1;
                }
                state = next(state, &old.end, recorded);
            }
        }
    }

    fn compare(&self, moment: &Moment<'_>, old: &Played, seen: &mut Seen) {
        let (differences, fuel_after) = self.both.differences(moment, &old.end);
        let from = self.both.from.machine;
        let case = case_of(from, moment.input);
        seen.report.inputs += 1;
        seen.report.same += u64::from(differences.is_empty());
        let machine = self.code[0].address.to_string();
        let counts = seen.case(machine, case.clone());
        counts.inputs += 1;
        counts.differing += u64::from(!differences.is_empty());
        let mut examples = vec![];
        for Difference { what, old: was, new: is } in differences {
            let count = counts.differ.entry(what.to_owned()).or_default();
            *count += 1;
            if *count <= EXAMPLES_MAX {
                examples.push(ShadowExample {
                    instance: self.address.to_string(),
                    seq: u64::try_from(moment.ctx.seq).unwrap_or(0),
                    case: case.clone(),
                    what: what.to_owned(),
                    state: moment.state.map(|state| shown(state, from.state())),
                    input: shown(moment.input, from.input()),
                    old: was,
                    new: is,
                    capsule: Some(Box::new(self.capsule(moment, [old.fuel, fuel_after]))),
                });
            }
        }
        seen.report.examples.extend(examples);
    }

    /// Returns what is needed to compare the two elsewhere.
    fn capsule(&self, moment: &Moment<'_>, [fuel, fuel_after]: [u64; 2]) -> ShadowCapsule {
        let [from, to] = self.code;
        let machine = &from.verified;
        let (state_ty, input_ty) = (machine.state(), machine.input());
        let mut cut = false;
        let mut written = |value: &Value, ty: &Ty| {
            let json = value.to_json_redacted(ty);
            match json.char_indices().nth(CAPSULE_CHARS_MAX) {
                None => json,
                Some((end, _)) => {
                    cut = true;
                    json[..end].to_owned()
                }
            }
        };
        let links = |code: &MachineCode| code.channels.iter().map(|channel| channel.link.digest()).collect();
        ShadowCapsule {
            from: from.digest(),
            to: to.digest(),
            edge: self.both.edge.map(VerifiedEdge::digest),
            state: moment.state.map(|state| written(state, state_ty)),
            state_digest: moment.state.map(|state| Digest::of(&state.to_binary(state_ty))),
            input: written(moment.input, input_ty),
            input_digest: Digest::of(&moment.input.to_binary(input_ty)),
            config: written(&from.config, machine.config()),
            config_after: written(&to.config, to.verified.config()),
            key: moment.ctx.self_key.to_string(),
            now_ms: moment.ctx.now_ms,
            seed: moment.ctx.seed,
            links: links(from),
            links_after: links(to),
            fuel,
            fuel_after,
            redacted: [state_ty, input_ty].iter().any(|ty| ty.holds_secret()),
            cut,
        }
    }
}

impl Both<'_> {
    /// Returns what comes out otherwise, where `old` is what came of it before, and the fuel that the step after used.
    pub(crate) fn differences(&self, moment: &Moment<'_>, old: &End) -> (Vec<Difference>, u64) {
        let lifted = match self.take(EdgeArrow::Lift, moment.input, Limits::STEP) {
            Ok(lifted) => lifted,
            Err(new) => return (vec![Difference { what: "input", old: "it is taken".to_owned(), new }], 0),
        };
        let up = moment.state.map(|state| self.take(EdgeArrow::Up, state, Limits::MIGRATION)).transpose();
        // The trial of the migration tells of a state that does not go up.
        let Ok(up) = up else { return (vec![], 0) };
        let new = self.to.play(&Moment { state: up.as_ref(), input: &lifted, ctx: moment.ctx });
        let fuel = new.fuel;
        let (old, new) = match (old, &new.end) {
            (Err(old), Err(new)) if old == new => return (vec![], fuel),
            (Ok(old), Ok(new)) => (old, new),
            (old, new) => {
                let (old, new) = (ended(old, self.from.machine), ended(new, self.to.machine));
                return (vec![Difference { what: "end", old, new }], fuel);
            }
        };
        let mut differences = vec![];
        differences.extend(self.of_answers(old, new));
        differences.extend(self.of_states(old, new));
        differences.extend(self.of_effects(old, new));
        (differences, fuel)
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
        let ty = self.from.machine.output();
        let new = match self.take(EdgeArrow::Lower, is, Limits::STEP) {
            Ok(lowered) if lowered == *was => return None,
            Ok(lowered) => shown(&lowered, ty),
            Err(reason) => format!("{} ({reason})", shown(is, self.to.machine.output())),
        };
        Some(Difference { what: "answer", old: shown(was, ty), new })
    }

    fn of_states(&self, old: &Outcome, new: &Outcome) -> Option<Difference> {
        let ty = self.to.machine.state();
        let old = match self.take(EdgeArrow::Up, &old.state, Limits::MIGRATION) {
            Ok(up) if up == new.state => return None,
            Ok(up) => shown(&up, ty),
            Err(reason) => format!("{} ({reason})", shown(&old.state, self.from.machine.state())),
        };
        Some(Difference { what: "state", old, new: shown(&new.state, ty) })
    }

    fn of_effects(&self, old: &Outcome, new: &Outcome) -> Option<Difference> {
        let of = |code: &VerifiedMachine, outcome: &Outcome, is_old: bool, plain: bool| {
            let effects = outcome.effects.iter().filter(|effect| !matches!(effect, Effect::Log(_)));
            effects.map(|effect| self.effect(code, effect, is_old, plain)).collect::<Vec<_>>()
        };
        if of(self.from.machine, old, true, true) == of(self.to.machine, new, false, true) {
            return None;
        }
        let (old, new) = (of(self.from.machine, old, true, false), of(self.to.machine, new, false, false));
        Some(Difference { what: "effects", old: cut(old.join("; ")), new: cut(new.join("; ")) })
    }

    /// Says what an effect is, in the types of the new machine where an arrow leads there. Messages of types that
    /// changed are not compared: their receivers have arrows for them.
    fn effect(&self, code: &VerifiedMachine, effect: &Effect, is_old: bool, plain: bool) -> String {
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
        let (from, to) = (self.from.machine, self.to.machine);
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
                let name = &*code.channels()[*channel as usize].name;
                let old = from.channel(name).map(|channel| from.module().ty(channel.message));
                let new = to.channel(name).map(|channel| to.module().ty(channel.message));
                format!("send {name}{} {}", key(at), message(value, old, new))
            }
            Effect::Call { port, key: at, message: value } => {
                let name = &*code.ports()[*port as usize].name;
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
}

fn ended(end: &End, machine: &VerifiedMachine) -> String {
    match end {
        Err((kind, reason)) => format!("{kind}: {reason}"),
        Ok(Outcome { output: Some(output), .. }) => {
            format!("it is applied: {}", shown(output, machine.output()))
        }
        Ok(_) => "it is applied".to_owned(),
    }
}

fn ctx_of(address: &InstanceAddress, recorded: &Recorded) -> Ctx {
    Ctx {
        now_ms: recorded.surroundings.now_ms,
        seq: i64::try_from(recorded.seq).unwrap_or(i64::MAX),
        self_key: address.key.as_ref().map_or_else(|| "".into(), |key| key.shared()),
        seed: recorded.surroundings.seed,
    }
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

fn case_of(machine: &VerifiedMachine, input: &Value) -> String {
    let Value::Sum(case, _) = input else { return String::new() };
    let variant = machine.input().as_variant();
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
