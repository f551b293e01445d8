//! `cargo xtask bench bundle [--json] [--rounds N]`: writing and reading bundles beside `tar`, `gzip` and
//! `sha256sum` on the same bytes, and what a release of 500 applications with 5,000 machines takes. Writes its
//! table of `docs/benchmarks.md`.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use camshaft_benches::measure::{Candidate, alternate, cpu_time, median};
use camshaft_benches::releases::{self, APPS, MACHINES};
use camshaft_benches::report::{self, Bar, Row};
use camshaft_cam::diagnostic::Source;
use camshaft_manifests::resolved;
use camshaft_releases::{bundle, check, open, plan};

const HELP: &str = "usage: cargo xtask bench bundle [--json] [--rounds N]";

/// Sizes in MiB, and how often each is done in one measurement: the clocks of other programs are coarse.
const SIZES: [(usize, u32); 3] = [(1, 16), (16, 2), (64, 1)];

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let (json, rounds) = arguments_of(arguments)?;
    let mut rows = Vec::new();
    for (mebibytes, times) in SIZES {
        eprintln!("{mebibytes} MiB");
        rows.extend(bundles(mebibytes, times, rounds)?);
    }
    eprintln!("a large release");
    rows.extend(large(rounds)?);
    write_document(&rows)?;
    match json {
        true => println!("{:#}", rows.iter().map(Row::to_json).collect::<serde_json::Value>()),
        false => print!("{}", report::table(&rows)),
    }
    Ok(())
}

fn arguments_of(arguments: &[String]) -> Result<(bool, u32)> {
    let (mut json, mut rounds) = (false, 5);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--json" => json = true,
            "--rounds" => rounds = rest.next().and_then(|rounds| rounds.parse().ok()).context(HELP)?,
            other => bail!("`{other}` is not known\n{HELP}"),
        }
    }
    ensure!(rounds > 0, "there is nothing to say after no rounds\n{HELP}");
    Ok((json, rounds))
}

/// The same files as a bundle and in a folder.
fn bundles(mebibytes: usize, times: u32, rounds: u32) -> Result<Vec<Row>> {
    let files = releases::files(mebibytes << 20)?;
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    std::fs::create_dir(folder.path().join("code")).context("cannot make a folder")?;
    for (path, content) in &files {
        std::fs::write(folder.path().join(path.as_str()), content).context("cannot write a file")?;
    }
    let bytes: usize = files.values().map(Vec::len).sum();
    let (name, version) = ("large".parse()?, "1.0.0".parse()?);
    let packed = bundle::write(&name, &version, &files)?;
    std::fs::write(folder.path().join("ours.tar.gz"), &packed.bytes).context("cannot write a file")?;
    // One stream of the content, as the archive has it.
    shell(folder.path(), 1, "tar cf content.tar code release.toml")?;

    let [mut write, mut read, mut tar, mut sum, mut both] = [const { Vec::new() }; 5];
    for _ in 0..rounds {
        write.push(timed(times, || bundle::write(&name, &version, &files).expect("it was written before")));
        tar.push(shell(folder.path(), times, "tar czf theirs.tar.gz code release.toml")?);
        read.push(timed(times, || bundle::read(&packed.bytes).expect("it was just written")));
        sum.push(shell(folder.path(), times, "sha256sum content.tar")?);
        both.push(shell(folder.path(), times, "gzip -dc theirs.tar.gz | sha256sum")?);
    }
    let theirs = std::fs::metadata(folder.path().join("theirs.tar.gz"))?.len() as f64;
    let speed = |seconds: &[f64]| bytes as f64 / 1e6 / median(seconds);
    let row = |what: &str, ours: &[f64], against, peer: &[f64]| Row {
        bench: format!("{what} a bundle of {mebibytes} MiB in {} files", files.len()),
        ours: speed(ours),
        against: Some(against),
        peer: Some(speed(peer)),
        unit: "MB/s",
        bar: Some(Bar::RatioAtLeast(0.7)),
    };
    Ok(vec![
        row("write", &write, "tar czf", &tar),
        row("read and verify", &read, "sha256sum", &sum),
        row("read and verify", &read, "gzip -dc, sha256sum", &both),
        Row {
            bench: format!("size of a bundle of {mebibytes} MiB"),
            ours: packed.bytes.len() as f64 / 1e3,
            against: Some("tar czf"),
            peer: Some(theirs / 1e3),
            unit: "kB",
            bar: None,
        },
    ])
}

/// Returns the CPU seconds that each of so many calls takes.
fn timed<T>(times: u32, mut work: impl FnMut() -> T) -> f64 {
    let before = cpu_time();
    for _ in 0..times {
        std::hint::black_box(work());
    }
    (cpu_time() - before).as_secs_f64() / f64::from(times)
}

/// Runs a command so many times in a folder, and returns the CPU seconds that it takes each time, with
/// all that it starts.
fn shell(folder: &Path, times: u32, command: &str) -> Result<f64> {
    let line = format!(
        "TIMEFORMAT='%U %S'; time for ((i = 0; i < {times}; i++)); do {command} > /dev/null || exit 1; done"
    );
    let done = Command::new("bash").args(["-c", &line]).current_dir(folder).output();
    let done = done.context("cannot run bash, which is what times the programs beside us")?;
    let text = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "`{command}` failed: {text}");
    let last = text.lines().last().unwrap_or_default();
    let seconds: Vec<f64> = last.split(' ').filter_map(|seconds| seconds.parse().ok()).collect();
    ensure!(seconds.len() == 2, "bash does not say what `{command}` took: {text}");
    Ok(seconds.iter().sum::<f64>() / f64::from(times))
}

/// A release in which every machine changes, with the stages on its way.
fn large(rounds: u32) -> Result<Vec<Row>> {
    let before = releases::built(&releases::project("1.0.0", None), None)?;
    let sources = releases::project("1.1.0", Some("1.0.0"));
    let started = cpu_time();
    let built = releases::built(&sources, Some(&before))?;
    let building = cpu_time() - started;
    let release = &built.release.resolved;
    let from = release.predecessors.first().context("it comes from the release before")?;
    ensure!(release.edges.len() == APPS * MACHINES, "every machine changes");
    let text = resolved::write(release);
    let source = Source::new(open::RELEASE_PATH, text.as_str());
    let found = bundle::read(&built.packed.bytes)?;
    let relup = plan::plan(from, release);
    let mut candidates = [
        Candidate::new(1, || {
            let relup = plan::plan(from, release);
            assert_eq!(check::check(&relup, from, release), [], "a plan keeps the rules");
        }),
        Candidate::new(1, || drop(plan::plan(from, release))),
        Candidate::new(1, || drop(check::check(&relup, from, release))),
        Candidate::new(1, || drop(resolved::read(&source).expect("it was just written"))),
        Candidate::new(1, || drop(bundle::read(&built.packed.bytes).expect("it was just built"))),
        Candidate::new(1, || drop(open::open(&found).expect("it was just built"))),
    ];
    let times = alternate(&mut candidates, rounds);
    let what = format!("{APPS} applications, {} machines, all changed", APPS * MACHINES);
    let row = |name: &str, nanoseconds: f64, bar| Row {
        bench: format!("{name}: {what}"),
        ours: nanoseconds / 1e6,
        against: None,
        peer: None,
        unit: "ms",
        bar,
    };
    let names = [
        "plan and check",
        "plan alone",
        "check alone",
        "read its release.toml",
        "read and verify its bundle",
        "open it: code, parts, relups",
    ];
    let mut rows: Vec<Row> = names
        .iter()
        .zip(&times)
        .enumerate()
        .map(|(index, (name, times))| row(name, median(times), (index == 0).then_some(Bar::Below(1000.0))))
        .collect();
    rows.push(row("build it from source, once", building.as_nanos() as f64, None));
    Ok(rows)
}

fn write_document(rows: &[Row]) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
    let document =
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let content = format!("{}\n{}", report::machine("GNU tar, gzip and coreutils"), report::table(rows));
    let document = report::replaced(&document, "bundle", &content)?;
    std::fs::write(&path, document).with_context(|| format!("cannot write {}", path.display()))
}
