//! The table of what was tried with OTP: each experiment has its row, and each test that a row names is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::fault::Fault;
use crate::tree::TextFile;

/// The page with the table.
const PAGE: &str = "docs/otp-experiments.md";

/// What was tried, in order. The numbers between were never given to anything.
const EXPERIMENTS: [&str; 66] = [
    "E1", "E1b", "E2", "E2b", "E3a", "E3b", "E3d", "E3e", "E4", "E5", "E5b", "E6", "E7", "E7b", "E8", "E8b",
    "E9", "E10", "E10b", "E11", "E12", "E13", "E13b", "E14", "E15", "E16", "E17", "E18a", "E18b", "E18c",
    "E18d", "E19", "E20", "E21", "E21b", "E22a", "E22b", "E23", "E24", "E25", "E26", "E30", "E31", "E32",
    "E33", "E34", "E35", "E36", "E37", "E40", "E41", "E42", "E43", "E44", "E45", "E47", "E48", "E49", "E50",
    "E50b", "E60", "E61", "E63", "E64", "E65", "E66",
];

/// What the last cell of a row without a test begins with.
const NO_TEST: &str = "no test yet: ";

/// A row of the table.
struct Row<'t> {
    line: usize,
    experiment: &'t str,
    tests: &'t str,
}

/// Every experiment has one row, in order; the tests of a row exist, or it says why there is none; and the page begins
/// with how many there are.
pub fn otp_experiments(_: &Path, files: &[TextFile]) -> Vec<Fault> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else { return Vec::new() };
    let rows: Vec<Row<'_>> = page.lines().filter_map(|(line, text)| row(line, text)).collect();
    let mut faults = order(&rows);
    let (mut shown, mut open) = (0, 0);
    for row in &rows {
        if row.tests.starts_with(NO_TEST) {
            open += 1;
        } else {
            shown += 1;
            faults.extend(tests(row, files));
        }
    }
    let counted = format!("{} rows: {shown} name tests, {open} have none yet.", rows.len());
    if !page.text.contains(&counted) {
        faults.push(fault(1, format!("the page does not say `{counted}`"), "count the rows"));
    }
    faults
}

fn fault(line: usize, message: String, remedy: &str) -> Fault {
    Fault::error(PAGE, line, message, remedy)
}

/// Returns the row that a line is. The first of its cells is the experiment, the last one its tests.
fn row(line: usize, text: &str) -> Option<Row<'_>> {
    let cells = text.strip_prefix("| E")?.strip_suffix(" |")?;
    let tests = cells.rsplit(" | ").next()?;
    let experiment = text[2..].split(' ').next()?;
    Some(Row { line, experiment, tests })
}

/// What is missing, there twice, unknown or not in its place.
fn order(rows: &[Row<'_>]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let place: BTreeMap<&str, usize> = EXPERIMENTS.iter().enumerate().map(|(at, one)| (*one, at)).collect();
    let mut seen = BTreeSet::new();
    let mut last = None;
    for row in rows {
        let message = match place.get(row.experiment) {
            None => Some("is no experiment"),
            Some(at) if !seen.insert(*at) => Some("has a row already"),
            Some(at) if last > Some(*at) => Some("is not in its place"),
            Some(at) => {
                last = Some(*at);
                None
            }
        };
        faults.extend(message.map(|message| {
            fault(
                row.line,
                format!("{} {message}", row.experiment),
                "each has one row, in the order of numbers",
            )
        }));
    }
    let missing = place.iter().filter(|(_, at)| !seen.contains(at));
    faults.extend(missing.map(|(one, _)| fault(1, format!("{one} has no row"), "add its row")));
    faults
}

/// What is wrong with the tests of a row: a file in back-ticks, then tests of it in back-ticks, then perhaps
/// another file.
fn tests(row: &Row<'_>, files: &[TextFile]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut file: Option<&TextFile> = None;
    let mut named = 0;
    // Uneven pieces between back-ticks are within them.
    for word in row.tests.split('`').skip(1).step_by(2) {
        if word.contains('/') {
            file = files.iter().find(|file| file.path == word);
            if file.is_none() {
                faults.push(fault(
                    row.line,
                    format!("there is no file `{word}`"),
                    "name the file of the test",
                ));
            }
            continue;
        }
        named += 1;
        let message = match file {
            None if faults.is_empty() => format!("`{word}` stands behind no file"),
            Some(file) if !is_test(file, word) => format!("`{}` has no test `{word}`", file.path),
            _ => continue,
        };
        faults.push(fault(row.line, message, "name a test that shows the row's point, behind its file"));
    }
    if named == 0 {
        let message = format!("{} names no test", row.experiment);
        faults.push(fault(row.line, message, "name a file and a test of it, or say `no test yet: ` and why"));
    }
    faults
}

/// Whether a file has such a test: a function of the name with `#[test]` among the lines of its attributes.
fn is_test(file: &TextFile, name: &str) -> bool {
    let head = format!("fn {name}(");
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(at, line)| {
        let above =
            lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        line.starts_with(&head) && above.into_iter().any(|line| *line == "#[test]")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with two tests and a function that is none.
    const SOURCE: &str =
        "#[test]\nfn one() {}\n\n/// So.\n#[test]\n#[cfg(all())]\nfn two() {}\n\nfn help() {}\n";

    fn page(rows: &[String], counted: &str) -> Vec<String> {
        let text = format!("# Tried\n{counted}\n{}\n", rows.join("\n"));
        let files = [(PAGE, text.as_str()), ("a/tests/b.rs", SOURCE)];
        let files = files.map(|(path, text)| TextFile { path: path.to_owned(), text: text.to_owned() });
        let faults = otp_experiments(Path::new(""), &files);
        faults.iter().map(|fault| format!("{}: {}", fault.line, fault.message)).collect()
    }

    /// A row for each experiment, all with tests but for the last one. The first stands in line 3.
    fn sound() -> Vec<String> {
        let row = |one: &&str| format!("| {one} | it fell | it stands | `a/tests/b.rs` `one` `two` |");
        let mut rows: Vec<String> = EXPERIMENTS.iter().map(row).collect();
        *rows.last_mut().expect("there are some") = "| E66 | so | so | no test yet: it is late |".to_owned();
        rows
    }

    const COUNTED: &str = "66 rows: 65 name tests, 1 have none yet.";

    #[test]
    fn a_table_that_is_in_order_passes() {
        assert_eq!(page(&sound(), COUNTED), Vec::<String>::new());
    }

    #[test]
    fn tests_that_are_not_there_are_found() {
        let first = |tests: &str| {
            let mut rows = sound();
            rows[0] = format!("| E1 | it fell | it stands | {tests} |");
            page(&rows, COUNTED)
        };
        assert_eq!(first("`a/tests/b.rs` `one` `three`"), ["3: `a/tests/b.rs` has no test `three`"]);
        assert_eq!(first("`a/tests/b.rs` `help`"), ["3: `a/tests/b.rs` has no test `help`"], "it is no test");
        assert_eq!(first("`a/tests/b.rs` `on`"), ["3: `a/tests/b.rs` has no test `on`"], "a part of a name");
        assert_eq!(first("`a/tests/c.rs` `one`"), ["3: there is no file `a/tests/c.rs`"]);
        assert_eq!(first("`one`"), ["3: `one` stands behind no file"]);
        assert_eq!(first("`a/tests/b.rs`"), ["3: E1 names no test"]);
        assert_eq!(first("later"), ["3: E1 names no test"]);
    }

    #[test]
    fn rows_that_are_missing_doubled_unknown_or_out_of_order_are_found() {
        let mut rows = sound();
        rows.remove(1);
        let fewer = "65 rows: 64 name tests, 1 have none yet.";
        assert_eq!(page(&rows, fewer), ["1: E1b has no row"]);
        rows.insert(1, rows[0].clone());
        assert_eq!(page(&rows, COUNTED), ["4: E1 has a row already", "1: E1b has no row"]);
        let mut rows = sound();
        rows[1] = rows[1].replace("E1b", "E1c");
        assert_eq!(page(&rows, COUNTED), ["4: E1c is no experiment", "1: E1b has no row"]);
        let mut rows = sound();
        rows.swap(0, 1);
        assert_eq!(page(&rows, COUNTED), ["4: E1 is not in its place"]);
    }

    #[test]
    fn a_row_without_a_test_says_why_and_is_counted() {
        let said = ["1: the page does not say `66 rows: 65 name tests, 1 have none yet.`"];
        assert_eq!(page(&sound(), "66 rows: 66 name tests, 0 have none yet."), said);
        let mut rows = sound();
        rows[0] = "| E1 | so | so | no test yet: |".to_owned();
        assert_eq!(page(&rows, COUNTED), ["3: E1 names no test"]);
    }
}
