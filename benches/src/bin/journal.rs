//! `cargo xtask bench journal [--json] [--rounds N] [--folder DIR]`: durable groups of records, in our log beside a plain
//! file and SQLite on the same disk, and reading them back. Writes its table of `docs/benchmarks.md`.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use camshaft_benches::measure::median;
use camshaft_benches::report::{self, Bar, Row};
use camshaft_store::{Chunk, Class, Log, LogOptions, RealDisk};
use rusqlite::{Connection, params};

const HELP: &str = "usage: cargo xtask bench journal [--json] [--rounds N] [--folder DIR]";

/// The bytes of a record.
const RECORD: usize = 100;

/// Records in a group, and groups in a round.
const GROUPS: [(usize, usize); 3] = [(1, 1_500), (64, 600), (1_024, 200)];

/// How many records are read back.
const READ: u64 = 1_000_000;

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}

struct Arguments {
    json: bool,
    rounds: u32,
    /// A folder on the disk that is measured.
    folder: PathBuf,
}

fn run(arguments: &[String]) -> Result<()> {
    let arguments = arguments_of(arguments)?;
    let folder = tempfile::tempdir_in(&arguments.folder).context("cannot make a folder")?;
    let mut rows = Vec::new();
    for (records, groups) in GROUPS {
        eprintln!("{records} a group");
        rows.extend(appended(folder.path(), records, groups, arguments.rounds)?);
    }
    eprintln!("reading");
    rows.extend(read_back(folder.path(), arguments.rounds)?);
    write_document(&rows)?;
    match arguments.json {
        true => println!("{:#}", rows.iter().map(Row::to_json).collect::<serde_json::Value>()),
        false => print!("{}", report::table(&rows)),
    }
    Ok(())
}

fn arguments_of(arguments: &[String]) -> Result<Arguments> {
    // Not where temporary files are: that is memory on many systems.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let mut found = Arguments { json: false, rounds: 5, folder };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--json" => found.json = true,
            "--rounds" => found.rounds = rest.next().and_then(|rounds| rounds.parse().ok()).context(HELP)?,
            "--folder" => found.folder = rest.next().context(HELP)?.into(),
            other => bail!("`{other}` is not known\n{HELP}"),
        }
    }
    ensure!(found.rounds > 0, "there is nothing to say after no rounds\n{HELP}");
    Ok(found)
}

/// Something that makes groups of records durable.
trait Engine {
    fn append(&mut self, group: &[Vec<u8>]) -> Result<()>;
}

struct Ours(Log);

impl Engine for Ours {
    fn append(&mut self, group: &[Vec<u8>]) -> Result<()> {
        let mut chunk = Chunk::new(0, 0);
        for record in group {
            chunk.push_with(|bytes| bytes.extend_from_slice(record));
        }
        self.0.append(&[chunk], Class::Input)?;
        Ok(())
    }
}

/// Records one after the other in a file that grows.
struct Plain {
    file: File,
    end: u64,
    buffer: Vec<u8>,
}

impl Engine for Plain {
    fn append(&mut self, group: &[Vec<u8>]) -> Result<()> {
        self.buffer.clear();
        group.iter().for_each(|record| self.buffer.extend_from_slice(record));
        self.file.write_all_at(&self.buffer, self.end)?;
        self.end += self.buffer.len() as u64;
        self.file.sync_data()?;
        Ok(())
    }
}

struct Sqlite {
    database: Connection,
    last: i64,
}

impl Sqlite {
    fn open(path: &Path) -> Result<Sqlite> {
        let database = Connection::open(path)?;
        database.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", "FULL")?;
        database.execute_batch(
            "CREATE TABLE record (
                position INTEGER PRIMARY KEY, control INTEGER NOT NULL, bytes BLOB NOT NULL, sum BLOB NOT NULL
            ) STRICT;
            CREATE INDEX control_record ON record (position) WHERE control = 1;",
        )?;
        Ok(Sqlite { database, last: 0 })
    }
}

impl Engine for Sqlite {
    fn append(&mut self, group: &[Vec<u8>]) -> Result<()> {
        let transaction = self.database.transaction()?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO record (position, control, bytes, sum) VALUES (?, 0, ?, ?)")?;
            for record in group {
                self.last += 1;
                // A checksum is kept as before; that it takes time to compute is not SQLite's.
                insert.execute(params![self.last, record, [0_u8; 8]])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Returns a log in a new folder.
fn log_in(folder: &Path, name: &str) -> Result<Log> {
    let disk = RealDisk::open(&folder.join(name)).context("cannot open a folder")?;
    Ok(Log::open(Arc::new(disk), LogOptions::default())?.0)
}

fn appended(folder: &Path, records: usize, groups: usize, rounds: u32) -> Result<Vec<Row>> {
    let group: Vec<Vec<u8>> =
        (0..records).map(|number| vec![u8::try_from(number % 251).expect("below 251"); RECORD]).collect();
    let mut log = log_in(folder, &format!("log-{records}"))?;
    // Segments are made ready and used again, as a node that takes snapshots does.
    log.make_room()?;
    let mut ours = Ours(log);
    let plain = File::create_new(folder.join(format!("plain-{records}"))).context("cannot make a file")?;
    let mut plain = Plain { file: plain, end: 0, buffer: Vec::new() };
    let mut sqlite = Sqlite::open(&folder.join(format!("sqlite-{records}")))?;
    let mut rates = [const { Vec::new() }; 3];
    for round in 0..=rounds {
        let engines: [&mut dyn Engine; 3] = [&mut ours, &mut plain, &mut sqlite];
        for (engine, rates) in engines.into_iter().zip(&mut rates) {
            let started = Instant::now();
            for _ in 0..groups {
                engine.append(&group)?;
            }
            if round > 0 {
                rates.push((records * groups) as f64 / started.elapsed().as_secs_f64());
            }
        }
        let log = &mut ours.0;
        log.let_go(log.last());
        while let Some(chore) = log.chore() {
            chore.run();
        }
    }
    let total = (u64::from(rounds) + 1) * (records * groups) as u64;
    ensure!((ours.0.last(), sqlite.last.cast_unsigned()) == (total, total), "all of them were appended");
    let what =
        if records == 1 { "one record a sync".to_owned() } else { format!("{records} records a sync") };
    let row = |against, peer: &[f64], bar| Row {
        bench: what.clone(),
        ours: median(&rates[0]),
        against: Some(against),
        peer: Some(median(peer)),
        unit: "records/s",
        bar,
    };
    Ok(vec![
        row("write, fdatasync", &rates[1], None),
        row("SQLite, WAL, FULL", &rates[2], Some(Bar::RatioAtLeast(1.0))),
    ])
}

/// Opening a log with so many records, and reading them.
fn read_back(folder: &Path, rounds: u32) -> Result<Vec<Row>> {
    const GROUP: u64 = 1_000;
    let name = "read";
    let mut log = log_in(folder, name)?;
    for group in 0..READ / GROUP {
        let mut chunk = Chunk::new(0, 0);
        for number in 0..GROUP {
            let mut record = [7; RECORD];
            record[..8].copy_from_slice(&(group * GROUP + number + 1).to_le_bytes());
            chunk.push(&record);
        }
        log.append(&[chunk], Class::Input)?;
    }
    drop(log);
    let (mut opening, mut reading) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let started = Instant::now();
        let log = log_in(folder, name)?;
        opening.push(started.elapsed().as_secs_f64() * 1e3);
        let started = Instant::now();
        let mut count = 0;
        log.read(1, &mut |entry| {
            let number = entry.bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
            count += u64::from(number == Some(entry.position));
            Ok(())
        })?;
        reading.push(READ as f64 / started.elapsed().as_secs_f64());
        ensure!(count == READ, "all of them come back");
    }
    let row = |what: &str, ours, unit| Row {
        bench: format!("{what} 1,000,000 records"),
        ours,
        against: None,
        peer: None,
        unit,
        bar: None,
    };
    Ok(vec![row("open a log with", median(&opening), "ms"), row("read", median(&reading), "records/s")])
}

fn write_document(rows: &[Row]) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
    let document =
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let content = format!("{}\n{}", report::machine("ext4; SQLite as bundled"), report::table(rows));
    let document = report::replaced(&document, "journal", &content)?;
    std::fs::write(&path, document).with_context(|| format!("cannot write {}", path.display()))
}
