//! The first inputs of each target, made of what is in the repository: the examples, the programs of
//! tests and benches, and generated ones. `cargo +nightly run --example seeds -- FOLDER` in `fuzz/`
//! writes them to `FOLDER/TARGET/`; `cargo fuzz cmin` keeps of them what adds to coverage.

use std::path::{Path, PathBuf};

use camshaft_cam::code::encode::encode;
use camshaft_cam::compile;
use camshaft_cam::diagnostic::Source;
use camshaft_cam::testing::choices::Choices;
use camshaft_cam::testing::fuzz::{tape_before, with_tape};
use camshaft_cam::testing::program::{Program, any_ty, any_value};
use camshaft_cam::verify::{VerifiedMachine, load, verify};
use camshaft_releases::fuzz::of_files;
use camshaft_releases::{bundle, project};

/// So many generated programs and values.
const PROGRAMS: u64 = 60;
const VALUES: u64 = 120;

/// A seed above this makes every input made of it slow.
const BYTES_MAX: usize = 12 << 10;

struct Seeds(PathBuf);

impl Seeds {
    fn add(&self, target: &str, name: &str, data: &[u8]) {
        if data.len() > BYTES_MAX {
            return;
        }
        let folder = self.0.join(target);
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        std::fs::write(folder.join(name), data).expect("a seed can be written");
    }

    fn module(&self, name: &str, bytes: &[u8]) {
        self.add("decode", name, bytes);
        self.add("verify", name, bytes);
        let tape: Vec<u8> = name.bytes().map(|byte| byte.wrapping_mul(37)).collect();
        self.add("run", name, &tape_before(&tape, bytes));
    }
}

fn main() {
    let seeds = Seeds(std::env::args().nth(1).expect("usage: seeds FOLDER").into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    texts(&seeds, &root);
    programs(&seeds);
    values(&seeds);
    bundles(&seeds, &root);
}

/// Every text of the language in the repository, and what it compiles to.
fn texts(seeds: &Seeds, root: &Path) {
    let mut files = Vec::new();
    for folder in ["examples", "cam/tests", "benches/machines"] {
        walk(&root.join(folder), &mut files);
    }
    files.retain(|file| file.extension().is_some_and(|end| end == "cam"));
    for (index, file) in files.iter().enumerate() {
        let text = std::fs::read_to_string(file).expect("a text can be read");
        let name = format!("{index:03}-{}", file.file_stem().expect("it has a name").to_string_lossy());
        seeds.add("parse", &name, text.as_bytes());
        if let Ok(module) = compile::machine(&Source::new("seed.cam", text), None) {
            seeds.module(&name, &encode(&module));
        }
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("a folder of the repository can be listed");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

/// Generated programs: their texts and modules, and the edge of each machine to itself.
fn programs(seeds: &Seeds) {
    for seed in 0..PROGRAMS {
        let program = Program::generate(&mut Choices::random(seed));
        let name = format!("program-{seed:03}");
        seeds.add("parse", &name, program.readable().as_bytes());
        let source = Source::new("seed.cam", program.text.as_str());
        let module = compile::machine(&source, None).expect("a generated program compiles");
        seeds.module(&name, &encode(&module));
        if seed < PROGRAMS / 4 {
            let machine: VerifiedMachine = load(&encode(&module))
                .ok()
                .and_then(|found| found.into_machine())
                .expect("what is compiled is a machine");
            if let Ok(edge) = compile::edge(&machine, &machine, None) {
                verify(edge.clone()).expect("an edge verifies");
                seeds.module(&format!("edge-{seed:03}"), &encode(&edge));
            }
        }
    }
}

/// Generated types with a value of each, in both forms.
fn values(seeds: &Seeds) {
    for seed in 0..VALUES {
        let mut random = Choices::random(seed);
        let tape: Vec<u8> = (0..60).map(|_| random.below(256) as u8).collect();
        let input = tape_before(&tape, &[]);
        let (mut choices, _) = with_tape(&input);
        let ty = any_ty(&mut choices);
        let value = any_value(&mut random, &ty);
        let name = format!("value-{seed:03}");
        seeds.add("json", &name, &tape_before(&tape, value.to_json(&ty).as_bytes()));
        seeds.add("values", &name, &tape_before(&tape, &value.to_binary(&ty)));
    }
}

/// The bundles of the examples, in the three forms that the target takes.
fn bundles(seeds: &Seeds, root: &Path) {
    let mut built: Vec<project::Built> = Vec::new();
    for example in ["counter/v1", "counter/v2", "counter/v3", "pingpong/v1", "pingpong/v2", "pingpong/v3"] {
        let folder = root.join("examples").join(example);
        let mut paths = Vec::new();
        walk(&folder, &mut paths);
        let mut files = project::Files::new();
        for path in paths {
            let name = path.strip_prefix(&folder).expect("it lies within").to_string_lossy().into_owned();
            files.insert(name, std::fs::read_to_string(&path).expect("examples are text"));
        }
        files.remove(project::LOCK_PATH);
        let find = |name: &_, version: &_| {
            let found = built
                .iter()
                .find(|one| (&one.release.resolved.name, &one.release.resolved.version) == (name, version));
            found.map(|one| one.release.clone())
        };
        let one = project::build(&files, &find, project::Locking::Update)
            .unwrap_or_else(|faults| panic!("{example}: {}", faults[0].one_line()));
        let name = example.replace('/', "-");
        let bytes = &one.packed.bytes;
        seeds.add("bundle", &format!("{name}-whole"), &[&[0], &bytes[..]].concat());
        let found = bundle::read(bytes).expect("what was built is read");
        seeds.add("bundle", &format!("{name}-files"), &of_files(found.files()));
        seeds.add("bundle", &format!("{name}-archive"), &camshaft_releases::fuzz::of_archive(bytes));
        built.push(one);
    }
}
