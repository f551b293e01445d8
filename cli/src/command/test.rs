//! `camshaft test [FILTER]`: the tests and properties that stand in machine files.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use camshaft_cam::compile::{self, Modules};
use camshaft_cam::diagnostic::Source;
use camshaft_cam::suite::{Failure as TestFailure, Options, Report, Suite, Test};
use camshaft_cam::syntax::{ast, parse_file};
use camshaft_cam::words;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::files;
use crate::render::{self, counted};
use crate::talk::{Talk, colour};

/// Arguments of `test`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run only tests whose file and name, as --list prints them, contain this text
    filter: Option<String>,

    /// The folder of the project, or one machine file
    #[arg(short, long, default_value = ".")]
    path: PathBuf,

    /// What everything random in properties comes from; the same seed, the same cases
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,

    /// How many cases of each property to try
    #[arg(long, value_name = "NUMBER", default_value_t = CASES, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    cases: u32,

    /// List the tests; run none
    #[arg(long)]
    list: bool,
}

/// A test and the file that it stands in.
struct Found<'s> {
    suite: &'s Suite,
    test: &'s Test,
}

impl Found<'_> {
    fn file(&self) -> &str {
        &self.suite.source().name
    }

    fn kind(&self) -> &'static str {
        if self.test.is_property() { "property" } else { "test" }
    }

    fn line(&self) -> usize {
        self.suite.source().line_column(self.test.span().start).0
    }

    fn title(&self) -> String {
        format!("{}: {}", self.file(), self.test.name())
    }
}

/// Runs the tests, or lists them.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let suites = suites(&args.path)?;
    let all = suites.iter().flat_map(|suite| suite.tests().iter().map(move |test| Found { suite, test }));
    let wanted = |found: &Found<'_>| args.filter.as_ref().is_none_or(|text| found.title().contains(text));
    let found: Vec<Found<'_>> = all.filter(wanted).collect();
    if let (true, Some(filter)) = (found.is_empty(), &args.filter) {
        let message = format!("no test of {} matches `{filter}`", args.path.display());
        return Err(Failure::refused(message, "camshaft test --list prints all tests"));
    }
    if args.list {
        list(&found, talk);
        return Ok(());
    }
    let options = Options { seed: args.seed, cases: args.cases };
    let mut reports = Vec::new();
    for one in &found {
        let report = one.suite.run(one.test, options);
        let word = if report.failure.is_some() { "FAIL" } else { "ok  " };
        let cases = if one.test.is_property() { format!(" ({} cases)", report.cases) } else { String::new() };
        talk.note(render::harmless(&format!("{word} {}{cases}", one.title())));
        reports.push(report);
    }
    tell(args, &found, &reports, talk)
}

/// What the tests of a project came to.
#[derive(Debug)]
pub struct Tests {
    /// How many there are.
    pub count: usize,
    /// The failures for people; empty when all passed.
    pub failures: Vec<String>,
    /// The same as data, a test an object.
    pub tests: Vec<Value>,
}

/// Runs all tests of a project as `camshaft test` does when nothing is asked for, and says nothing.
///
/// # Errors
///
/// When a file cannot be read or has faults.
pub fn all_of(path: &Path) -> Result<Tests, Failure> {
    let suites = suites(path)?;
    let options = Options { seed: 0, cases: CASES };
    let colour = colour();
    let (mut failures, mut tests) = (Vec::new(), Vec::new());
    for one in suites.iter().flat_map(|suite| suite.tests().iter().map(move |test| Found { suite, test })) {
        let report = one.suite.run(one.test, options);
        failures.extend(report.failure.as_ref().map(|failure| text(&one, failure, colour)));
        tests.push(outcome(&one, &report));
    }
    Ok(Tests { count: tests.len(), failures, tests })
}

/// How many cases of each property are tried when nobody says otherwise.
const CASES: u32 = 200;

/// Reads the `.cam` files of a folder; or the one file that is named, with the type modules of its
/// application.
fn sources(path: &Path) -> Result<Vec<Source>, Failure> {
    let inside = |folder: &Path, shown: &Path| -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let all = files::read_project(folder)?.into_iter().filter(|(name, _)| name.ends_with(".cam"));
        Ok(all.map(|(name, bytes)| (shown.join(name).display().to_string(), bytes)).collect())
    };
    let mut found = Vec::new();
    if path.is_dir() {
        found = inside(path, Path::new(""))?;
    } else {
        let types = path.parent().and_then(Path::parent).map(|app| app.join(TYPES));
        if let Some(types) = types.filter(|types| types.is_dir()) {
            found = inside(&types, &types)?;
        }
        found.push((path.display().to_string(), files::read(path, files::SOURCE_BYTES_MAX)?));
    }
    let source = |(name, bytes): (String, Vec<u8>)| match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(name, text)),
        Err(_) => Err(Failure::refused(
            format!("{name} is not UTF-8 text"),
            "machine and migration files are UTF-8",
        )),
    };
    found.into_iter().map(source).collect()
}

/// The folder of an application in which its type modules stand.
const TYPES: &str = "types";

/// Returns the folder of the application that a file belongs to, and the folder in it.
fn place(source: &Source) -> (&Path, Option<&OsStr>) {
    let folder = Path::new(&*source.name).parent().unwrap_or(Path::new(""));
    (folder.parent().unwrap_or(folder), folder.file_name())
}

/// Compiles the machine files of a folder, or the one file that is named.
fn suites(path: &Path) -> Result<Vec<Suite>, Failure> {
    let sources = sources(path)?;
    let mut suites = Vec::new();
    let mut faults = Vec::new();
    let is_module = |source: &&Source| place(source).1 == Some(OsStr::new(TYPES));
    let mut texts: BTreeMap<&Path, Vec<Source>> = BTreeMap::new();
    for source in sources.iter().filter(is_module) {
        texts.entry(place(source).0).or_default().push(source.clone());
    }
    // An application whose modules are faulty has none: its machines are silent.
    let mut modules: BTreeMap<&Path, Option<Modules>> = BTreeMap::new();
    for (app, texts) in texts {
        let read = Modules::read(&texts).map_err(|more| faults.extend(more));
        modules.insert(app, read.ok());
    }
    let none = Modules::default();
    for source in sources.iter().filter(|source| !is_module(source)) {
        // Of a folder everything is looked at, and what has no tests by its nature is passed over.
        if path.is_dir() && matches!(parse_file(source), Ok(ast::File::Migration(_))) {
            continue;
        }
        let modules = match modules.get(place(source).0) {
            Some(Some(modules)) => modules,
            Some(None) => continue,
            None => &none,
        };
        match compile::suite_with(source, modules, None) {
            Ok(suite) => suites.push(suite),
            Err(more) => faults.extend(more),
        }
    }
    if !faults.is_empty() {
        return Err(Failure::diagnostics("no test was run: a file has faults", faults));
    }
    if suites.is_empty() {
        let message = format!("there is no machine file in {}", path.display());
        return Err(Failure::refused(message, "name a project's folder, or a .cam file with a machine"));
    }
    Ok(suites)
}

fn list(found: &[Found<'_>], talk: &mut Talk) {
    let tests: Vec<Value> = found
        .iter()
        .map(|one| {
            json!({
                "file": one.file(), "line": one.line(), "machine": one.suite.machine_name(),
                "kind": one.kind(), "name": &**one.test.name(),
            })
        })
        .collect();
    let lines: Vec<String> = found.iter().map(|one| render::harmless(&one.title())).collect();
    talk.result(&json!({ "tests": tests }), lines.join("\n"));
}

/// Says what became of the tests.
fn tell(args: &Args, found: &[Found<'_>], reports: &[Report], talk: &mut Talk) -> Result<(), Failure> {
    let both = || found.iter().zip(reports);
    let failed = reports.iter().filter(|report| report.failure.is_some()).count();
    let tests: Vec<Value> = both().map(|(one, report)| outcome(one, report)).collect();
    let document = json!({ "seed": args.seed, "cases": args.cases, "failed": failed, "tests": tests });
    let count = counted(found.len(), "test");
    if failed == 0 {
        let steps: u64 = reports.iter().map(|report| report.steps).sum();
        talk.result(&document, format!("{count} passed, {}", words::counted(steps, "step")));
        return Ok(());
    }
    let colour = !talk.json && colour();
    let failures = both().filter_map(|(one, report)| Some((one, report.failure.as_ref()?)));
    let texts: Vec<String> = failures.clone().map(|(one, failure)| text(one, failure, colour)).collect();
    let hint = match failures.clone().next() {
        Some((one, _)) => again(args, one),
        None => String::new(),
    };
    let failure = Failure::refused(format!("{failed} of {count} failed"), hint).code("tests");
    talk.report(&texts.join("\n"));
    Err(failure.details(&document))
}

/// Returns how to run a test again as it ran.
fn again(args: &Args, one: &Found<'_>) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let mut line = format!("camshaft test {}", quoted(one.test.name()));
    if args.path != Path::new(".") {
        line += &format!(" --path {}", quoted(&args.path.display().to_string()));
    }
    if one.test.is_property() {
        line += &format!(" --seed {} --cases {}", args.seed, args.cases);
    }
    format!("{line} runs it again")
}

/// Returns a failure for people: the place, what was found there, and what came before.
fn text(one: &Found<'_>, failure: &TestFailure, colour: bool) -> String {
    let mut notes: Vec<String> = Vec::new();
    let wide = failure.notes.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in &failure.notes {
        notes.push(format!("{name:wide$}  {value}"));
    }
    if let Some(example) = &failure.counterexample {
        let arguments = example.arguments.iter().map(|(name, value)| format!("{name} = {value}"));
        notes.extend(arguments);
        if example.seed != 0 {
            notes.push(format!("ctx.seed = {}", example.seed));
        }
        let (case, runs) = (example.case, example.runs);
        notes.push(format!("case {case} failed; this is the smallest found in {runs} further runs"));
    }
    let title = format!("{} \"{}\": {}", one.kind(), one.test.name(), failure.message);
    let snippet = render::titled(&title, one.suite.source(), &failure.span, &failure.label, &notes, colour);
    let mut text = format!("{snippet}\n");
    let mut section = |title: &str, lines: &[String]| {
        if !lines.is_empty() {
            text += &format!("  {title}:\n");
            lines.iter().for_each(|line| text += &format!("    {}\n", render::harmless(line)));
        }
    };
    section("what ran", &failure.history);
    section("the last step changed", &failure.changes);
    section("the state", failure.state.as_slice());
    text
}

/// Returns what became of a test, for programs.
fn outcome(one: &Found<'_>, report: &Report) -> Value {
    let mut value = json!({
        "file": one.file(), "line": one.line(), "machine": one.suite.machine_name(),
        "kind": one.kind(), "name": &**one.test.name(),
        "passed": report.failure.is_none(), "cases": report.cases, "steps": report.steps,
    });
    if let Some(failure) = &report.failure {
        let (line, column) = one.suite.source().line_column(failure.span.start);
        let (end_line, end_column) = one.suite.source().line_column(failure.span.end);
        let notes = failure.notes.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        value["failure"] = json!({
            "message": failure.message, "label": failure.label,
            "at": { "line": line, "column": column, "end_line": end_line, "end_column": end_column },
            "notes": notes.collect::<Vec<_>>(),
            "history": failure.history, "changes": failure.changes, "state": failure.state,
        });
        if let Some(example) = &failure.counterexample {
            let arguments =
                example.arguments.iter().map(|(name, value)| json!({ "name": &**name, "value": value }));
            value["failure"]["counterexample"] = json!({
                "case": example.case, "runs": example.runs, "seed": example.seed,
                "arguments": arguments.collect::<Vec<_>>(),
            });
        }
    }
    value
}
