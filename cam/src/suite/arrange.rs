//! What a test begins with: its arguments, and the instance.

use std::collections::BTreeMap;

use super::case::{Case, Event};
use super::generate::Generator;
use super::play::{Play, evaluate};
use super::script::Given;
use super::trouble::{End, Played, trouble};
use super::world::{Start, World};
use super::{Suite, Test, first_ctx, starting_config};
use crate::run::Trap;
use crate::value::Value;

/// The key of a keyed machine's instance where a test gives none.
const KEY: &str = "key";

/// Returns the test, ready to run.
///
/// # Errors
///
/// When what is given has no value, or makes no instance.
pub(super) fn play<'s>(
    suite: &'s Suite,
    test: &'s Test,
    arguments: Vec<Value>,
    seed: i64,
    planned: Vec<Vec<Event>>,
    generator: Option<Generator>,
) -> Played<Play<'s>> {
    let script = &test.script;
    let mut names = BTreeMap::new();
    for (param, argument) in script.params.iter().flatten().zip(&arguments) {
        names.insert(param.local, argument.clone());
    }
    let key = if suite.machine.machine().keyed { KEY } else { "" };
    let config = starting_config(suite.machine.config());
    let mut start = Start {
        // The checker asks for it where there is no default.
        config: config.unwrap_or(Value::Unit),
        key: key.into(),
        now_ms: 0,
        seed,
        state: None,
    };
    let mut config_known = false;
    for (given, site) in &script.given {
        if *given != Given::Config && !config_known {
            names.insert(script.config, start.config.clone());
            config_known = true;
        }
        let ctx = first_ctx(&start.key, start.now_ms, start.seed);
        let value = evaluate(test, &names, &ctx, *site, &script.sites[site.0].expr.span)?;
        match (given, value) {
            (Given::Config, value) => start.config = value,
            (Given::State, value) => start.state = Some(value),
            (Given::Key, Value::Text(key)) => start.key = key,
            (Given::Now, Value::Int(now_ms)) => start.now_ms = now_ms,
            (Given::Seed, Value::Int(seed)) => start.seed = seed,
            _ => unreachable!("what is given was checked"),
        }
    }
    names.insert(script.config, start.config.clone());
    let from_state = start.state.is_some();
    let world = World::new(&suite.machine, start).or_else(|trap| match trap {
        // A state that cannot be is no case.
        Trap::Invariant(_) if from_state && test.is_property() => Err(End::Discarded),
        Trap::Invariant(_) if from_state => {
            trouble(&script.span, format!("the state that is given cannot be: {trap}"), "in this test").end()
        }
        trap => trouble(&script.span, format!("`init` trapped: {trap}"), "in this test").end(),
    })?;
    let case = Case { arguments, seed, runs: Vec::new() };
    Ok(Play {
        suite,
        test,
        names,
        world,
        recent: Vec::new(),
        acts: Vec::new(),
        planned,
        generator,
        case,
        effort: 0,
    })
}
