//! Applications that come from releases and not from a folder: found in a registry, pinned by the lock,
//! taken as they are.

use camshaft_tests::{Done, World};
use serde_json::Value;

const SHELF: &str = "machine shelf keyed Text
type State = { n: Int }
type Input = Add { n: Int } | Get
type Output = Ok | Is(Int)
init = { n: 0 }
on Add { n } => ({ n: state.n + n }, Ok)
on Get => (state, Is(state.n))
";

const DESK: &str = "machine desk
type Message = Add { n: Int }
type Input = | Sell
type Output = | Ok
type State = Int
init = 0
channel shelf = stock/shelf(Message)
on Sell {
  send shelf[\"a\"] Add { n: -1 }
  (state + 1, Ok)
}
";

/// A world with the releases depot 1.0.0 and 1.1.0, which hold stock 1.0.0 and 1.1.0; the second has an
/// edge that is written.
fn world() -> World {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    world.write(
        "depot/release.toml",
        "name = \"depot\"\nversion = \"1.0.0\"\n[apps]\nstock = { path = \"stock\" }\n",
    );
    world.write("depot/stock/app.toml", "name = \"stock\"\nversion = \"1.0.0\"\nmachines = [\"shelf\"]\n");
    world.write("depot/stock/machines/shelf.cam", SHELF);
    world.run(&["build", "depot", "-o", "dist"]).expect(0);
    world.run(&["publish", "dist/depot-1.0.0.tar.gz", "--to", "registry"]).expect(0);
    world.write(
        "depot/release.toml",
        "name = \"depot\"\nversion = \"1.1.0\"\nfrom = [\"1.0.0\"]\n[apps]\nstock = { path = \"stock\" }\n",
    );
    world.write("depot/stock/app.toml", "name = \"stock\"\nversion = \"1.1.0\"\nmachines = [\"shelf\"]\n");
    let grown = SHELF.replace("State = { n: Int }", "State = { n: Int, twice: Int }");
    let grown = grown.replace("{ n: 0 }", "{ n: 0, twice: 0 }");
    let grown =
        grown.replace("({ n: state.n + n }, Ok)", "({ n: state.n + n, twice: 2 * (state.n + n) }, Ok)");
    world.write("depot/stock/machines/shelf.cam", grown);
    world.write(
        "depot/stock/migrations/shelf.cam",
        "migration shelf from \"1.0.0\"\nup (old) = { n: old.n, twice: 2 * old.n }\n",
    );
    world.write(
        "depot/stock/appup.toml",
        "[[from]]\nversion = \"1.0.0\"\n[from.machines.shelf]\nmigration = \"migrations/shelf.cam\"\n",
    );
    world.run(&["build", "depot", "-o", "dist"]).expect(0);
    shop(&world, "1.0.0", "", "^1");
    world.write(
        "shop/till/app.toml",
        "name = \"till\"\nversion = \"1.0.0\"\nmachines = [\"desk\"]\ndepends = { stock = \"^1\" }\n",
    );
    world.write("shop/till/machines/desk.cam", DESK);
    world
}

fn shop(world: &World, version: &str, from: &str, range: &str) {
    world.write(
        "shop/release.toml",
        format!(
            "name = \"shop\"\nversion = \"{version}\"\nfrom = [{from}]\n[apps]\n\
             stock = {{ version = \"{range}\" }}\ntill = {{ path = \"till\" }}\n"
        ),
    );
}

fn build(world: &World, registry: &str, more: &[&str]) -> Done {
    let args: Vec<&str> = ["build", "shop", "-o", "dist"].iter().chain(more).copied().collect();
    Done::of(world.command(&args).env("CAMSHAFT_REGISTRY", registry))
}

fn inspect(world: &World, bundle: &str) -> Value {
    world.run(&["inspect", bundle, "--json"]).expect(0).json()
}

fn text(world: &World, path: &str) -> String {
    String::from_utf8(world.read(path)).expect("text")
}

#[test]
fn an_application_is_taken_from_the_registry_as_it_was_released_and_pinned() {
    let world = world();
    build(&world, "", &[]).refused("no release was found that holds stock ^1");
    build(&world, "registry", &["--locked"]).refused("the lock has no entry for stock 1.0.0");
    build(&world, "registry", &[]).expect(0);
    let lock = text(&world, "shop/camshaft.lock");
    assert!(lock.contains("[[app]]\nname = \"stock\"\nversion = \"1.0.0\""), "{lock}");
    let first = world.read("dist/shop-1.0.0.tar.gz");

    // A newer version changes nothing while the lock pins the older one.
    world.run(&["publish", "dist/depot-1.1.0.tar.gz", "--to", "registry"]).expect(0);
    build(&world, "registry", &["--locked"]).expect(0);
    assert_eq!(world.read("dist/shop-1.0.0.tar.gz"), first, "the same bytes");
    // The pinned release needs no registry where its bundle is at hand.
    build(&world, "", &["--locked"]).expect(0);
    assert_eq!(world.read("dist/shop-1.0.0.tar.gz"), first);

    // A range that leaves the pin behind takes the newest there is, with the edge that it came with.
    shop(&world, "1.1.0", "\"1.0.0\"", "^1.1");
    build(&world, "registry", &[]).expect(0);
    let (depot, shop_now) =
        (inspect(&world, "dist/depot-1.1.0.tar.gz"), inspect(&world, "dist/shop-1.1.0.tar.gz"));
    let edge = |document: &Value| {
        let edges = document["edges"].as_array().cloned().unwrap_or_default();
        edges.into_iter().find(|edge| edge["machine"] == "stock/shelf").map(|edge| edge["digest"].clone())
    };
    assert!(edge(&depot).is_some(), "{depot}");
    assert_eq!(edge(&shop_now), edge(&depot), "no migration is written twice");

    shop(&world, "1.1.0", "\"1.0.0\"", "^3");
    build(&world, "registry", &[]).refused("registry holds no stock ^3, but 1.0.0, 1.1.0");
}

#[test]
fn another_release_of_the_pinned_version_is_not_taken_instead() {
    let world = world();
    build(&world, "registry", &[]).expect(0);
    // Another bundle of the same name and version lies where it is looked for.
    world.write(
        "depot/release.toml",
        "name = \"depot\"\nversion = \"1.0.0\"\n[apps]\nstock = { path = \"stock\" }\n",
    );
    world.write("depot/stock/app.toml", "name = \"stock\"\nversion = \"1.0.0\"\nmachines = [\"shelf\"]\n");
    for file in ["depot/stock/appup.toml", "depot/stock/migrations/shelf.cam"] {
        std::fs::remove_file(world.at(file)).expect("it was there");
    }
    world.run(&["build", "depot", "-o", "dist"]).expect(0);
    let refused = build(&world, "", &[]).refused("stock 1.0.0 was found in depot 1.0.0 (sha256:");
    assert!(refused.stderr.contains(", and the lock pins depot 1.0.0 (sha256:"), "{refused:?}");
}
