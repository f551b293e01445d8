//! What verified code is known to do before it runs: `reach` per input case of a machine, and the
//! symbolic cost of each function.
//!
//! The facts come from the bytecode alone, by running it on *sketches* of values instead of
//! values (abstract interpretation). A sketch says what is known of a value at a place in the
//! code: that it is the very value of some place in a parameter, a record of such sketches, one
//! of some cases, or anything of its type. See [`sketch`].
//!
//! What must stay true: whatever a run does lies within the facts. Each instruction turns
//! sketches that hold of its operands into one that holds of its result; where two ways meet,
//! the join holds of both; where code repeats, what is carried from round to round holds before
//! the first and is kept by each. So by induction over the run the sketch holds wherever it
//! stands, and what the walk did not come to, no run comes to. Where the walk cannot tell, it
//! says more than is true, never less.
//!
//! The cost follows the table in the head of [`crate::run`]. Straight-line code costs its sum,
//! branches the dearer (of each product of sizes the greater count), a loop its rounds times its
//! body. A size is that of a part of the parameters, or follows from such by what instructions do
//! to it; where it does not, the limits of the types bound it, or nothing does, and the cost says
//! so. Sizes only grow with what they are made of, so an upper bound may stand for any part.
//!
//! The work is bounded: each function is walked once, a call takes over the callee's summary, a
//! body is walked once with a name for what its rounds carry, and a sketch has at most
//! [`NODES_MAX`] parts. What would be larger is anything of its type, and a size of more than
//! [`PARTS_MAX`] parts is not said. A module of more than
//! [`OPS_FOLLOWED_MAX`] instructions is not looked into: it may do all that its signature lets
//! it. The facts are found out when somebody first asks.

mod cost;
mod flow;
mod fuel;
mod plain;
mod reach;
mod size;
mod sketch;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod within;

pub use cost::Cost;
pub use reach::{Answers, Emissions, Reach};
pub use size::{PARTS_MAX, Unbounded};
pub use sketch::NODES_MAX;

use crate::code::{Entry, FuncIx, Module};
use crate::ty::Ty;
use crate::verify::VerifiedModule;
use flow::{Flow, Summary};

/// The most instructions of a module whose code is looked into.
pub const OPS_FOLLOWED_MAX: usize = 1 << 17;

/// What was found out about a module beyond the verdict.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Per input case of a machine; nothing for edges and links.
    pub(crate) reach: Vec<Reach>,
    /// Per function.
    pub(crate) costs: Vec<Cost>,
}

impl Facts {
    /// Finds them out.
    pub(crate) fn of(module: &VerifiedModule) -> Facts {
        let summaries = summaries(module);
        let reach = match &module.module().entry {
            Entry::Machine(machine) => {
                let case = |case| reach::of_case(module, machine, case, &summaries);
                (0..machine.step.len()).map(case).collect()
            }
            Entry::Edge(_) | Entry::Link(_) => vec![],
        };
        let costs = (0..).map(FuncIx).zip(summaries);
        let costs = costs.map(|(index, summary)| Cost { bound: summary.fuel, params: params(module, index) });
        Facts { reach, costs: costs.collect() }
    }
}

/// Returns the parameters of a function, each with what people call it.
fn params(module: &VerifiedModule, index: FuncIx) -> Vec<(String, Ty)> {
    let module = module.module();
    let step = matches!(&module.entry, Entry::Machine(machine) if machine.step.contains(&index));
    let up = matches!(&module.entry, Entry::Edge(edge) if edge.up == index);
    let name = |number| match number {
        0 if up => "state".to_owned(),
        0 if step => "input".to_owned(),
        1 if step => "state".to_owned(),
        2 if step => "config".to_owned(),
        _ => format!("arg{number}"),
    };
    let params = module.function(index).params.iter().enumerate();
    params.map(|(number, ty)| (name(number), module.ty(*ty).clone())).collect()
}

/// Returns what is known of each function, in their order; callees come first.
fn summaries(module: &VerifiedModule) -> Vec<Summary> {
    let functions = (0..).map(FuncIx).take(module.module().functions.len());
    if op_count(module.module()) > OPS_FOLLOWED_MAX {
        return functions.map(|index| Summary::unknown(module.module(), index)).collect();
    }
    let mut known = vec![];
    for index in functions {
        let summary = Flow::new(module, index, &known).function();
        known.push(summary);
    }
    known
}

fn op_count(module: &Module) -> usize {
    let mut count = 0;
    for function in &module.functions {
        function.body.each_op(&mut |_| count += 1);
    }
    count
}
