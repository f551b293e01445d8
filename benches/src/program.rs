//! A machine of any length, for measuring compiler and verifier: an inventory of many
//! departments, each with its own types, functions and inputs.

use std::fmt::Write;

/// Returns the source of a machine with at least `lines` lines, and by less than one department
/// more. It has one department at least.
pub fn machine(lines: usize) -> String {
    let shortest = of_departments(1).lines().count();
    let each = of_departments(2).lines().count() - shortest;
    of_departments(1 + lines.saturating_sub(shortest).div_ceil(each))
}

fn of_departments(count: usize) -> String {
    let each = |pattern: &str| -> String {
        (0..count).map(|number| pattern.replace('#', &number.to_string())).collect()
    };
    let mut text = format!("{HEAD}{}", each(TYPES));
    let _ = writeln!(text, "type State = {{\n{}  total: Int = 0\n}}", each(FIELD));
    let _ = writeln!(text, "\ntype Input = Total\n{}", each(INPUTS));
    text + "init = { total: 0 }\n\non Total => (state, Sum(state.total))\n" + &each(HANDLERS)
}

const HEAD: &str = "\
machine inventory keyed Text

config { hold: Duration = 15m, most: Int = 100 }
type Reason = Unknown | TooFew { have: Int } | Full
type Output = Ok | Sum(Int) | Refused(Reason) | Names(List(Text))
";

const TYPES: &str =
    "type Line# = { count: Int(0..=1_000_000), price: Int = 0, shelf#: Option(Text(..=200)) = None }\n";

const FIELD: &str = "  lines#: Map(Text, Line#) = [:],\n";

const INPUTS: &str = "  | Add# { item: Text, count: Int, price: Int }
  | Take# { order: Text, item: Text, count: Int }
  | Names# { above: Int }
  | internal Expire# { order: Text, item: Text, count: Int }
";

const HANDLERS: &str = r#"
fn worth#(line: Line#) -> Int = line.count * line.price

fn change#(s: State, item: Text, by: Int) -> State = match s.lines#[item] {
  None       => s
  Some(line) => { ..s, lines#[item]: { ..line, count: line.count + by }, total: s.total + by * line.price }
}

on Add# { item, count, price } {
  if count < 1 || price < 0 {
    (state, Refused(Unknown))
  } else if state.lines#.len() >= config.most {
    (state, Refused(Full))
  } else {
    let had = match state.lines#[item] {
      Some(line) => line.count
      None       => 0
    }
    ({ ..state, lines#[item]: { count: had + count, price }, total: state.total + count * price }, Ok)
  }
}

on Take# { order, item, count } {
  let Some(line) = state.lines#[item] else (state, Refused(Unknown))
  if line.count < count {
    (state, Refused(TooFew { have: line.count }))
  } else {
    timer order after config.hold => Expire# { order, item, count }
    log "order {order} takes {count} of {item}"
    (change#(state, item, -count), Ok)
  }
}

on Names# { above } => (state, Names(state.lines#.filter((_, line) -> worth#(line) > above).keys()))

on Expire# { order, item, count } {
  cancel order
  change#(state, item, count)
}
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::compiled;

    #[test]
    fn a_program_is_as_long_as_asked_for_and_compiles() {
        let each = of_departments(2).lines().count() - of_departments(1).lines().count();
        for lines in [300, 1000] {
            let text = machine(lines);
            let found = text.lines().count();
            assert!(lines <= found && found < lines + each, "{lines} asked for, {found} made");
            compiled("inventory", &text).expect("the program is in order");
        }
        assert_eq!(machine(0), of_departments(1));
    }
}
