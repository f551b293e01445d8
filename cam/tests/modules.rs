//! What the compiler makes is encoded, decoded and verified, and comes back the same.

use std::path::{Path, PathBuf};

use camshaft_cam::code::Module;
use camshaft_cam::code::decode::decode;
use camshaft_cam::code::disassemble::{disassemble, disassemble_verified};
use camshaft_cam::code::encode::{digest, encode};
use camshaft_cam::compile;
use camshaft_cam::diagnostic::Source;
use camshaft_cam::verify::verify;

fn machines(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("the examples are part of the repository");
    for entry in entries {
        let path = entry.expect("an entry of a folder that can be read").path();
        if path.is_dir() {
            machines(&path, found);
        } else if path.parent().is_some_and(|parent| parent.ends_with("machines")) {
            found.push(path);
        }
    }
}

/// The modules of all machines that the repository has as sources.
fn modules() -> Vec<(String, Module)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("tests/fixtures/stock.cam")];
    machines(&root.join("../examples"), &mut found);
    let compiled = found.into_iter().map(|path| {
        let name = path.to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a source that was just found");
        let module = compile::machine(&Source::new(&*name, &*text), None).expect("the source compiles");
        (name, module)
    });
    compiled.collect()
}

#[test]
fn what_the_compiler_makes_verifies_and_comes_back_from_its_bytes() {
    for (name, module) in modules() {
        let bytes = encode(&module);
        let decoded = decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(decoded, module, "{name}");
        let listing = disassemble(&module);
        let verified = verify(decoded).unwrap_or_else(|error| panic!("{name}: {error}\n{listing}"));
        assert_eq!(verified.digest(), digest(&module), "{name}");
    }
}

#[test]
fn names_for_people_are_outside_the_digest() {
    for (name, module) in modules() {
        let mut bare = module.clone();
        bare.debug.name = "other".into();
        bare.debug.functions.clear();
        assert_eq!(digest(&bare), digest(&module), "{name}");
        assert_ne!(encode(&bare), encode(&module), "{name}");
    }
}

/// The listing of the language page's example, with types, costs and traps. `UPDATE_EXPECT=1` writes
/// it anew; read the difference.
#[test]
fn the_listing_of_verified_code_is_as_it_is_written() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let text = std::fs::read_to_string(folder.join("stock.cam")).expect("the fixture is there");
    let module = compile::machine(&Source::new("stock.cam", text), None).expect("the fixture compiles");
    let verified = verify(module).expect("the fixture verifies").into_machine().expect("it is a machine");
    let found = disassemble_verified(verified.verified_module());
    let path = folder.join("stock.listing");
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if found != expected && std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, found).expect("the listing can be written");
        return;
    }
    assert_eq!(found, expected, "run with UPDATE_EXPECT=1 to write it anew");
}
