//! Bundles as bytes: the same source gives the same ones, and changed ones are refused by name.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use camshaft_cam::code::{Entry, Module, Op, decode, encode};
use camshaft_cam::digest::Digest;
use camshaft_tests::{Agent, Done, World, repository};

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    let world = world();
    let mut built: Vec<Vec<(String, Vec<u8>)>> = Vec::new();
    let ways = [
        ("one/here", "022", "UTC", "C", false),
        ("two/elsewhere/deeper", "077", "Asia/Kathmandu", "tr_TR.UTF-8", true),
    ];
    for (folder, umask, zone, language, reverse) in ways {
        let mut bundles = Vec::new();
        for example in ["counter/v1", "counter/v2", "counter/v3", "pingpong/v1", "pingpong/v2", "pingpong/v3"]
        {
            let to = world.at(&format!("{folder}/{example}"));
            copy_in_order(&repository().join("examples").join(example), &to, reverse);
            let _ = std::fs::remove_file(to.join("camshaft.lock"));
            let out = world.at(&format!("{folder}/dist"));
            let mut command = Command::new("sh");
            let line = format!("umask {umask}; exec \"$0\" build . -o \"$1\"");
            command.args(["-c", &line]).arg(world.program()).arg(&out).current_dir(&to);
            command.env("TZ", zone).env("LC_ALL", language).env("SOURCE_DATE_EPOCH", umask);
            command.env("HOME", world.at(&format!("{folder}/home of {umask}")));
            Done::of(&mut command).expect(0);
            let lock = std::fs::read(to.join("camshaft.lock")).unwrap_or_default();
            bundles.push((format!("{example} lock"), lock));
        }
        for entry in std::fs::read_dir(world.at(&format!("{folder}/dist"))).expect("bundles were built") {
            let path = entry.expect("bundles were built").path();
            let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            bundles.push((name, std::fs::read(&path).expect("readable")));
        }
        bundles.sort();
        built.push(bundles);
    }
    let [one, two] = &built[..] else { unreachable!("there are two ways") };
    assert_eq!(one.len(), 12);
    for ((name, bytes), (other_name, other_bytes)) in one.iter().zip(two) {
        assert_eq!(name, other_name);
        assert!(bytes == other_bytes, "{name} differs");
    }
}

#[test]
fn building_again_changes_nothing_not_even_the_lock() {
    let world = world();
    let first = std::fs::read(world.build("counter/v1")).expect("readable");
    world.build("counter/v2");
    let lock = world.read("sources/dist/counter/v2/camshaft.lock");
    let second = std::fs::read(world.build("counter/v2")).expect("readable");
    assert_eq!(lock, world.read("sources/dist/counter/v2/camshaft.lock"));
    assert_eq!(first, std::fs::read(world.build("counter/v1")).expect("readable"));
    assert_eq!(second, std::fs::read(world.build("counter/v2")).expect("readable"));
    let locked = world.run(&["build", "sources/dist/counter/v2", "-o", "dist", "--locked"]);
    drop(locked.expect(0));
}

#[test]
fn a_predecessor_that_is_missing_unlocked_or_another_is_refused() {
    let world = world();
    world.copy_example("counter/v2", "v2");
    let _ = std::fs::remove_file(world.at("v2/camshaft.lock"));
    world.run(&["build", "v2", "-o", "out"]).refused("counter-1.0.0.tar.gz");
    world.build("counter/v1");
    world.run(&["build", "v2", "-o", "dist", "--locked"]).refused("lock");
    world.run(&["build", "v2", "-o", "dist"]).expect(0);
    world.build_into("counter/wrong-base/base", "other");
    world.run(&["build", "v2", "-o", "other"]).refused("counter-1.0.0.tar.gz");
}

/// A bundle taken apart: its entries with their headers.
struct Parts(Vec<(tar::Header, String, Vec<u8>)>);

impl Parts {
    fn of(bundle: &Path) -> Parts {
        let file = std::fs::File::open(bundle).expect("the bundle was built");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
        let entries = archive.entries().expect("a bundle is a tar");
        let read = entries.map(|entry| {
            let mut entry = entry.expect("a bundle is a tar");
            let path = entry.path().expect("paths are text").to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("a bundle is a tar");
            (entry.header().clone(), path, bytes)
        });
        Parts(read.collect())
    }

    fn find(&self, prefix: &str) -> (String, Vec<u8>) {
        let found = self.0.iter().find(|(_, path, _)| path.starts_with(prefix));
        let (_, path, bytes) = found.unwrap_or_else(|| panic!("no {prefix} in the bundle"));
        (path.clone(), bytes.clone())
    }

    fn change(&mut self, path: &str, new_path: &str, bytes: Vec<u8>) {
        let entry = self.0.iter_mut().find(|(_, at, _)| at == path).expect("the entry is there");
        entry.1 = new_path.to_owned();
        entry.2 = bytes;
    }

    /// Replaces a text in every document.
    fn replace(&mut self, from: &str, to: &str) {
        for (_, path, bytes) in &mut self.0 {
            if path.ends_with(".toml") {
                let text = String::from_utf8(std::mem::take(bytes)).expect("documents are text");
                *bytes = text.replace(from, to).into_bytes();
            }
        }
    }

    /// Writes the manifest anew, so that it agrees with what stands in the bundle.
    fn reseal(&mut self) {
        let (_, manifest) = self.find("manifest.toml");
        let text = String::from_utf8(manifest).expect("documents are text");
        let head = text.split("[[file]]").next().expect("a split has a first part").to_owned();
        let mut files: Vec<(String, usize, String)> = Vec::new();
        for (_, path, bytes) in self.0.iter().filter(|(_, path, _)| path != "manifest.toml") {
            files.push((path.clone(), bytes.len(), Digest::of(bytes).to_string()));
        }
        files.sort();
        // Whether the digest is written with its prefix is copied from the original.
        let bare = !text.contains("\"sha256:");
        let tables: Vec<String> = files
            .iter()
            .map(|(path, size, digest)| {
                let digest = if bare { digest.trim_start_matches("sha256:") } else { digest };
                format!("[[file]]\npath = \"{path}\"\nsize = {size}\nsha256 = \"{digest}\"\n")
            })
            .collect();
        self.change("manifest.toml", "manifest.toml", format!("{head}{}", tables.join("\n")).into_bytes());
    }

    /// Writes the parts in the one form that bundles have; only their content is wrong.
    fn write(&self, to: &Path) {
        let mut tar = Vec::new();
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by_key(|(_, path, _)| (path != "manifest.toml", path.clone()));
        for (header, path, bytes) in entries {
            let mut header = header.clone();
            header.set_path(path).expect("a short path");
            header.set_size(bytes.len() as u64);
            header.set_cksum();
            // Bundles have the checksum as POSIX writes it: six digits, a zero and a space.
            let sum = header.cksum().expect("just set");
            header.as_mut_bytes()[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            tar.extend(header.as_bytes());
            tar.extend(bytes);
            tar.resize(tar.len().next_multiple_of(512), 0);
        }
        tar.extend([0; 1024]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&tar).expect("memory takes it");
        std::fs::write(to, gzip.finish().expect("memory takes it")).expect("the world is writable");
    }
}

/// Expects `inspect` and a node to refuse a bundle with a reason, and the node to stay as it was.
fn refused(world: &World, agent: &Agent, bundle: &Path, reason: &str) {
    let bundle = bundle.to_string_lossy();
    world.run(&["inspect", &bundle]).refused(reason);
    world.run(&["node", "install", &bundle, "--node", agent.url()]).refused(reason);
    assert!(agent.client().release().is_none(), "the node is empty as before");
}

fn mutant(world: &World) -> PathBuf {
    world.at("mutant.tar.gz")
}

#[test]
fn a_tampered_byte_and_a_truncated_file_are_refused_by_name() {
    let world = world();
    let bundle = world.build("counter/v1");
    let agent = Agent::start(&world, "d1");
    let parts = Parts::of(&bundle);
    let (path, code) = parts.find("code/");

    let mut tampered = Parts::of(&bundle);
    let mut bytes = code.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    tampered.change(&path, &path, bytes);
    tampered.write(&mutant(&world));
    refused(&world, &agent, &mutant(&world), &path);

    let mut short = Parts::of(&bundle);
    short.change(&path, &path, code[..code.len() - 1].to_vec());
    short.write(&mutant(&world));
    refused(&world, &agent, &mutant(&world), &path);

    // The same, with a manifest that agrees: the code itself ends too early.
    short.reseal();
    short.write(&mutant(&world));
    refused(&world, &agent, &mutant(&world), &path);

    let whole = std::fs::read(&bundle).expect("readable");
    for length in [0, 1, 10, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        std::fs::write(mutant(&world), &whole[..length]).expect("the world is writable");
        refused(&world, &agent, &mutant(&world), "");
    }

    // And the untouched bundle, taken apart and put together, is accepted: the mutants were refused for
    // their mutation.
    let mut sound = Parts::of(&bundle);
    sound.reseal();
    sound.write(&mutant(&world));
    drop(world.run(&["inspect", &mutant(&world).to_string_lossy()]).expect(0));
}

#[test]
fn every_changed_byte_of_a_bundle_is_refused_or_means_the_same() {
    let world = world();
    let bundle = std::fs::read(world.build("counter/v1")).expect("readable");
    let inspect = |bytes: &[u8]| {
        world.write("mutant.tar.gz", bytes);
        world.run(&["inspect", "mutant.tar.gz", "--json"])
    };
    let sound = inspect(&bundle).expect(0).stdout;
    for at in (0..bundle.len()).step_by(bundle.len() / 64 + 1) {
        let mut bytes = bundle.clone();
        bytes[at] ^= 0x10;
        let done = inspect(&bytes);
        match done.code {
            Some(1) => {}
            Some(0) => assert_eq!(done.stdout, sound, "byte {at}"),
            _ => panic!("byte {at}: {done:#?}"),
        }
    }
}

#[test]
fn code_with_an_unknown_instruction_is_refused_by_name() {
    let world = world();
    let bundle = world.build("counter/v1");
    let agent = Agent::start(&world, "d1");
    let mut parts = Parts::of(&bundle);
    let (path, code) = parts.find("code/");
    // Where an instruction stands is found by asking the decoder.
    let unknown = (0..code.len()).rev().find_map(|at| {
        let mut bytes = code.clone();
        bytes[at] = 0xee;
        let error = decode::decode(&bytes).err()?.to_string();
        error.contains("unknown opcode").then_some(bytes)
    });
    parts.change(&path, &path, unknown.expect("some byte is an opcode"));
    parts.reseal();
    parts.write(&mutant(&world));
    refused(&world, &agent, &mutant(&world), "unknown opcode");
}

#[test]
fn code_with_wrong_types_is_refused_by_name() {
    let world = world();
    let bundle = world.build("counter/v1");
    let agent = Agent::start(&world, "d1");
    let mut parts = Parts::of(&bundle);
    let (path, code) = parts.find("code/");
    let module = decode::decode(&code).expect("what was built decodes");
    let old = encode::digest(&module);
    let wrong = answers_with_unit(module);
    let new = encode::digest(&wrong);
    parts.change(&path, &format!("code/{}.cam2", new.hex()), encode::encode(&wrong));
    parts.replace(&old.hex(), &new.hex());
    parts.reseal();
    parts.write(&mutant(&world));
    for reason in ["the verifier refuses code/", "`on Read`", "INJ takes Int, found ()"] {
        refused(&world, &agent, &mutant(&world), reason);
    }
}

/// Returns the machine with a `Read` that answers with its payload `()` where the count is due.
/// Everything else is as the compiler wrote it, so that nothing but the types can be the reason.
fn answers_with_unit(mut module: Module) -> Module {
    let Entry::Machine(machine) = &module.entry else { panic!("the code of the counter is a machine") };
    let read = machine.step[1].0 as usize;
    let ops = &mut module.functions[read].body.0;
    let count = ops.iter_mut().rev().find(|op| matches!(op, Op::Acc { .. })).expect("it reads its state");
    *count = Op::Acc { level: 0 };
    module
}

fn copy_in_order(from: &Path, to: &Path, reverse: bool) {
    std::fs::create_dir_all(to).expect("the world is writable");
    let mut entries: Vec<_> =
        std::fs::read_dir(from).expect("readable").map(|entry| entry.expect("readable")).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    if reverse {
        entries.reverse();
    }
    for entry in entries {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_in_order(&entry.path(), &target, reverse);
        } else {
            std::fs::copy(entry.path(), &target).expect("the world is writable");
            if reverse {
                let file = std::fs::File::options().write(true).open(&target).expect("it was just copied");
                file.set_modified(std::time::UNIX_EPOCH).expect("it is ours");
            }
        }
    }
}

/// The examples of the repository pin their predecessors, and the pins are right: what is built
/// today is what was built when they were made.
#[test]
fn the_examples_build_as_their_locks_say() {
    let world = world();
    let examples = [
        ("counter/v1", "dist"),
        ("counter/v2", "dist"),
        ("counter/v3", "dist"),
        ("counter/bad-migration", "dist"),
        ("counter/bad-invariant", "dist"),
        ("counter/wrong-base/base", "wrong"),
        ("counter/wrong-base/v2", "wrong"),
        ("pingpong/v1", "dist"),
        ("pingpong/v2", "dist"),
        ("pingpong/v3", "dist"),
    ];
    for (example, out) in examples {
        let project = repository().join("examples").join(example).display().to_string();
        let built = world.run(&["build", &project, "-o", out, "--locked"]);
        assert_eq!(built.code, Some(0), "run `cargo xtask lock` if this is as meant: {}", built.stderr);
    }
}

#[test]
fn what_is_left_of_a_broken_bundle_is_shown() {
    let world = world();
    world.build("counter/v1");
    let bundle = world.read("dist/counter-1.0.0.tar.gz");
    world.write("short.tar.gz", &bundle[..bundle.len() - 9]);
    let done = world.run(&["inspect", "short.tar.gz"]).refused("short.tar.gz is refused: ");
    assert!(done.stdout.starts_with("counter 1.0.0\nsha256:"), "{done:?}");
    assert!(
        done.stdout.contains("\napp counter 1.0.0\n") && done.stdout.contains("  good      release.toml\n"),
        "{done:?}"
    );
    let told = world.run(&["inspect", "short.tar.gz", "--json"]).expect(1).json();
    let files = told["error"]["details"]["files"].as_array().unwrap_or_else(|| panic!("{told}"));
    assert!(!files.is_empty() && files.iter().all(|file| file["state"] == "good"), "{told}");
    // Nothing is known of what does not even begin as a bundle.
    world.write("none.tar.gz", b"nothing");
    let done = world.run(&["inspect", "none.tar.gz"]).expect(1);
    assert_eq!(done.stdout, "", "{done:?}");
}
