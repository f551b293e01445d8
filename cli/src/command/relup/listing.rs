//! Instructions in a line each, for people and for programs.

use camshaft_cam::digest::Digest;
use camshaft_manifests::relup::{Apply, Change, Code, CodeOf, Instruction, Pair};
use serde_json::{Value, json};

/// Returns an instruction in words, without its number. A switch has a line for each machine.
pub fn to_text(instruction: &Instruction) -> Vec<String> {
    let line = |rest: String| vec![format!("{:<8} {rest}", instruction.word()).trim_end().to_owned()];
    match instruction {
        Instruction::Load(code) | Instruction::Verify(code) => line(code_in_words(code)),
        Instruction::Try(change) | Instruction::Migrate(change) => line(change_in_words(change)),
        Instruction::Switch(pairs) => {
            let pairs = pairs.iter().map(|pair| format!("  {}", pair_in_words(pair)));
            line(String::new()).into_iter().chain(pairs).collect()
        }
        Instruction::Start(app) | Instruction::Stop(app) | Instruction::Restart(app) => line(app.to_string()),
        Instruction::Apply(Apply { machine, key, input, .. }) => {
            let key = key.as_ref().map_or(String::new(), |key| format!("/{key}"));
            line(format!("{input} to {machine}{key}"))
        }
        Instruction::Barrier(name) => line(name.clone()),
        Instruction::MakePermanent => line(String::new()),
    }
}

/// Returns an instruction as the document has it.
pub fn to_json(instruction: &Instruction) -> Value {
    let word = instruction.word();
    match instruction {
        Instruction::Load(CodeOf { machine, code }) | Instruction::Verify(CodeOf { machine, code }) => {
            let (kind, digest) = kind(code);
            json!({ "do": word, "machine": machine.to_string(), kind: digest })
        }
        Instruction::Try(Change { machine, from, to, edge })
        | Instruction::Migrate(Change { machine, from, to, edge }) => {
            json!({ "do": word, "machine": machine.to_string(), "from": from, "to": to, "edge": edge })
        }
        Instruction::Switch(pairs) => {
            let pair = |pair: &Pair| json!({ "name": pair.machine.to_string(), "from": pair.from, "to": pair.to, "edge": pair.edge });
            json!({ "do": word, "machine": pairs.iter().map(pair).collect::<Vec<_>>() })
        }
        Instruction::Start(app) | Instruction::Stop(app) | Instruction::Restart(app) => {
            json!({ "do": word, "app": app.to_string() })
        }
        Instruction::Apply(apply) => json!({
            "do": word, "machine": apply.machine.to_string(),
            "key": apply.key.as_ref().map(ToString::to_string), "input": apply.input, "inverse": apply.inverse,
        }),
        Instruction::Barrier(name) => json!({ "do": word, "name": name }),
        Instruction::MakePermanent => json!({ "do": word }),
    }
}

fn kind(code: &Code) -> (&'static str, Digest) {
    match code {
        Code::Machine(digest) => ("code", *digest),
        Code::Edge(digest) => ("edge", *digest),
        Code::Link(digest) => ("link", *digest),
    }
}

fn code_in_words(CodeOf { machine, code }: &CodeOf) -> String {
    match code {
        Code::Machine(digest) => format!("{machine} {}", digest.short()),
        Code::Edge(digest) => format!("the edge of {machine} {}", digest.short()),
        Code::Link(digest) => format!("a link of {machine} {}", digest.short()),
    }
}

fn change_in_words(change: &Change) -> String {
    let Change { machine, from, to, edge } = change;
    format!("{machine} {} -> {} over {}", from.short(), to.short(), edge.short())
}

fn pair_in_words(pair: &Pair) -> String {
    let machine = &pair.machine;
    match (pair.from, pair.to, pair.edge) {
        (Some(from), Some(to), _) if from == to => format!("{machine} {} stays", from.short()),
        (Some(from), Some(to), Some(edge)) => {
            format!("{machine} {} -> {} over {}", from.short(), to.short(), edge.short())
        }
        (Some(from), Some(to), None) => {
            format!("{machine} {} -> {} without an edge", from.short(), to.short())
        }
        (None, Some(to), _) => format!("{machine} {} comes", to.short()),
        (Some(from), None, _) => format!("{machine} {} goes", from.short()),
        (None, None, _) => format!("{machine} is in neither"),
    }
}
