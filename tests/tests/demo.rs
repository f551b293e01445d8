//! `camshaft demo`: everything that it claims holds, and it leaves nothing behind unless asked.

use camshaft_tests::{Done, World};

#[test]
fn the_demo_holds_and_tidies_up() {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    std::fs::create_dir(world.at("tmp")).expect("the world is writable");
    let demo = |words: &[&str]| {
        let mut command = world.command(&[&["demo", "--json"], words].concat());
        Done::of(command.env("TMPDIR", world.at("tmp"))).expect(0).json()
    };
    let left = || std::fs::read_dir(world.at("tmp")).expect("the world is readable").count();

    let told = demo(&[]);
    assert_eq!(told["held"], true, "{told}");
    let checks = told["checks"].as_array().expect("a list of checks");
    assert!(checks.len() >= 10 && checks.iter().all(|check| check["held"] == true), "{told}");
    assert_eq!(left(), 0);

    let told = demo(&["--keep"]);
    assert_eq!(left(), 1);
    let folder = told["folder"].as_str().expect("the folder that was kept");
    assert!(std::path::Path::new(folder).join("dist/counter-2.0.0.tar.gz").is_file(), "{told}");
}
