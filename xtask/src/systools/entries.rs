//! Which entry of an `.appup` is for a version: OTP's choice, and that of `appup import`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::cases::Chance;

/// Pieces that patterns are made of: numbers, what stands between them, and what stands around.
const NUMBERS: [&str; 9] = ["[0-9]+", "\\\\d+", "1", "2", "10", "[0-3]", "[12]", "(?:1|2)", "[0-9]*"];
const POINTS: [&str; 4] = ["\\\\.", "\\\\.", ".", "\\\\.?"];
const TAILS: [&str; 8] =
    ["", "", "$", "(?:\\\\.[0-9]+)*", "(?:\\\\.[0-9]+)+$", ".*", "\\\\..*", "|1|1\\\\.0"];

/// How many `.appup` files are made beside those of OTP.
const MADE: usize = 20;

/// Compares the choices, for the files of OTP and for made ones; returns true when all are the same.
pub fn compare(root: &Path, folder: &Path, seed: u64) -> Result<bool> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let real = real()?;
    for path in &real {
        let name = path.file_name().context("a file has a name")?;
        std::fs::copy(path, folder.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
    }
    let mut chance = Chance::of(seed);
    for at in 0..MADE {
        std::fs::write(folder.join(format!("made_{at:02}.appup")), made(&mut chance))
            .context("cannot write an .appup")?;
    }
    let (folder, versions) = (folder.display().to_string(), versions());
    let mut words = vec!["--entries", &folder];
    words.extend(versions.iter().map(String::as_str));
    let (otp, ours) = (super::by_otp(root, &words)?, super::by_us(root, &words)?);
    let differences = differences(&otp, &ours);
    for difference in differences.iter().take(20) {
        println!("{difference}");
    }
    println!(
        "{} .appup files of OTP and {MADE} made ones, {} versions: {} choices that differ",
        real.len(),
        versions.len(),
        differences.len()
    );
    Ok(differences.is_empty() && otp.lines().count() > versions.len())
}

/// Returns the lines in which two lists of choices differ, with the file.
pub fn differences(otp: &str, ours: &str) -> Vec<String> {
    let mut file = "";
    let mut differences = Vec::new();
    let longer = otp.lines().count().max(ours.lines().count());
    let lines = otp
        .lines()
        .map(Some)
        .chain(std::iter::repeat(None))
        .zip(ours.lines().map(Some).chain(std::iter::repeat(None)));
    for (otp, ours) in lines.take(longer) {
        file = otp.and_then(|line| line.strip_prefix("case ")).unwrap_or(file);
        if otp != ours {
            let [otp, ours] = [otp, ours].map(|line| line.unwrap_or("nothing"));
            differences.push(format!("{file}: OTP: {otp}; ours: {ours}"));
        }
    }
    differences
}

/// Returns the `.appup` files of the OTP that is installed.
pub fn real() -> Result<Vec<PathBuf>> {
    let ask = "[io:format(\"~s~n\", [F]) || F <- filelib:wildcard(filename:join([code:lib_dir(), \"*\", \"ebin\", \"*.appup\"]))], halt().";
    let told = super::output(Command::new("erl").args(["-noshell", "-eval", ask]))?;
    Ok(told.lines().map(PathBuf::from).collect())
}

fn made(chance: &mut Chance) -> String {
    let entries: Vec<String> = (0..6)
        .map(|_| {
            let count = 1 + chance.below(3);
            let mut pattern = if chance.percent(30) { "^".to_owned() } else { String::new() };
            for at in 0..count {
                let point = chance.one_of(&POINTS);
                pattern += if at > 0 { point } else { "" };
                pattern += chance.one_of(&NUMBERS);
            }
            pattern += chance.one_of(&TAILS);
            format!("{{<<\"{pattern}\">>,[]}}")
        })
        .collect();
    format!("{{\"99\",[{{\"1.0.0\",[]}},\n{}],[]}}.\n", entries.join(",\n"))
}

/// Returns versions as Erlang writes them: of one to four numbers.
pub fn versions() -> Vec<String> {
    let mut versions = Vec::new();
    for major in [0, 1, 2, 3, 4, 7, 8, 10, 12] {
        versions.push(major.to_string());
        for minor in [0, 1, 2, 5, 10, 13, 17] {
            versions.push(format!("{major}.{minor}"));
            for patch in [0, 1, 2, 10] {
                versions.push(format!("{major}.{minor}.{patch}"));
                versions.push(format!("{major}.{minor}.{patch}.1"));
            }
        }
    }
    versions
}
