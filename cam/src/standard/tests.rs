//! The table itself, and its examples run both ways.

use super::*;
use crate::check::machine;
use crate::compile;
use crate::diagnostic::Source;
use crate::evaluate;
use crate::run::{self, Ctx, Limits, Trap};
use crate::syntax::{ast, parse_expression, parse_file};
use crate::value::Value;
use crate::verify::{Verified, verify};

/// Runs an expression both ways; returns what it gives, which is the same both ways.
fn run(expression: &str) -> Result<Value, Trap> {
    let text = format!(
        "machine example\ntype State = Int\ntype Input = | Go\ntype Output = Bool\ninit = 0\nconst password: secret Text = \"hush\"\non Go => (state, {expression})\n"
    );
    let source = Source::new("example.cam", text.as_str());
    let module = compile::machine(&source, None)
        .unwrap_or_else(|errors| panic!("{}: {:?}\n{text}", errors[0].one_line(), errors[0].help));
    let Ok(ast::File::Machine(file)) = parse_file(&source) else { unreachable!("it compiled") };
    let checked = machine::check(&source, &file, None).unwrap_or_else(|_| unreachable!("it compiled"));
    let Ok(Verified::Machine(machine)) = verify(module) else { panic!("does not verify\n{text}") };
    let ctx = Ctx { now_ms: 0, seq: 1, self_key: "".into(), seed: 0 };
    let (input, state) = (Value::sum(0, Value::Unit), Value::Int(0));
    let ran = run::step(&machine, &input, &state, &ctx, &Value::Unit, Limits::STEP);
    let ran = ran.map(|done| done.output.expect("an outside input is answered"));
    let said = evaluate::step(&checked, &input, &state, &ctx, &Value::Unit, |_| true);
    let said = said.map(|done| done.output.expect("an outside input is answered"));
    assert_eq!(ran, said, "bytecode and text agree on {expression}");
    ran
}

#[test]
fn every_example_gives_what_it_says() {
    for standard in all() {
        for (expression, gives) in standard.examples {
            match gives.strip_prefix("trap: ") {
                Some(trap) => {
                    let found = run(&format!("({expression}) == ({expression})"));
                    assert_eq!(found.map_err(|trap| trap.to_string()), Err(trap.to_owned()), "{expression}");
                }
                None => {
                    let same = run(&format!("({expression}) == ({gives})"));
                    assert_eq!(same, Ok(Value::Bool(true)), "{expression} gives {gives}");
                }
            }
        }
    }
}

#[test]
fn each_function_has_an_example_of_itself() {
    for standard in all() {
        let call = format!(".{}(", standard.name());
        let index = format!("{}[", "]");
        let shown = standard
            .examples
            .iter()
            .any(|(expression, _)| expression.contains(&call) && !expression.contains(&index));
        assert!(shown, "{} has no example that calls it", standard.form);
    }
}

#[test]
fn a_form_says_what_its_arguments_are() {
    let fold = on(On::List).find(|standard| standard.name() == "fold").expect("it is in the table");
    assert_eq!(fold.subject(), "l");
    assert_eq!(fold.params().collect::<Vec<_>>(), [("start", Param::Start), ("e", Param::Lambda)]);
    // Every letter of every form has a meaning; this would panic.
    assert!(all().map(|standard| standard.params().count()).sum::<usize>() > 50);
}

#[test]
fn functions_of_one_name_on_one_type_differ_in_their_items_alone() {
    for which in On::ALL {
        for standard in on(which) {
            let same: Vec<_> = on(which).filter(|other| other.name() == standard.name()).collect();
            assert!(same.iter().all(|other| other.params().eq(standard.params())), "{}", standard.form);
            let mut items: Vec<_> = same.iter().map(|other| other.items.words()).collect();
            items.dedup();
            assert_eq!(items.len(), same.len(), "{}", standard.form);
        }
    }
}

#[test]
fn a_definition_names_each_lambda_once() {
    // A lambda is put where it is named: twice would be twice the code, and each of its faults
    // would be reported twice.
    for standard in all().filter(|standard| standard.definition.is_some()) {
        let text = standard.definition.unwrap_or_default();
        parse_expression(&Source::new(standard.form, text))
            .unwrap_or_else(|errors| panic!("{}", errors[0].one_line()));
        for (name, _) in standard.params().filter(|(_, param)| *param == Param::Lambda) {
            let call = format!("{name}(");
            let calls = text.match_indices(&call).filter(|(at, _)| {
                !text[..*at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_')
            });
            assert_eq!(calls.count(), 1, "{} in {text}", standard.form);
        }
    }
}

#[test]
fn words_of_other_languages_lead_to_functions_that_exist() {
    for (other, here) in ELSEWHERE {
        assert!(all().any(|standard| standard.name() == *here), "{here}");
        let clash = all().find(|standard| standard.name() == *other && standard.on != On::Text);
        assert!(clash.is_none_or(|clash| clash.name() != *here), "{other}");
    }
    let meant = |name, which| meant(name, which, ["stock"].into_iter());
    assert_eq!(meant("reduce", On::List), Some("fold"));
    assert_eq!(meant("sortBy", On::List), Some("sort_by"));
    assert_eq!(meant("lenght", On::List), Some("len"));
    assert_eq!(meant("fitler", On::Map), Some("filter"));
    assert_eq!(meant("insert", On::Map), Some("put"));
    assert_eq!(meant("stok", On::Text), Some("stock"));
    assert_eq!(meant("frobnicate", On::Text), None);
}
