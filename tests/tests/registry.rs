//! Registries, as a user meets them: publish, pull, serve, yank, carry by hand, and what is refused.

use camshaft_tests::{Agent, Done, World};
use serde_json::Value;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn world() -> World {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    world.write("token", format!("{TOKEN}\n"));
    world.build("counter/v1");
    world.build("counter/v2");
    world
}

const ONE: &str = "dist/counter-1.0.0.tar.gz";
const TWO: &str = "dist/counter-2.0.0.tar.gz";

fn publish(world: &World, bundle: &str, to: &str) -> Done {
    world.run(&["publish", bundle, "--to", to, "--token-file", "token"])
}

fn pull(world: &World, release: &str, from: &str, out: &str) -> Value {
    world.run(&["pull", release, "--from", from, "-o", out, "--json"]).expect(0).json()
}

/// Returns the names of the files in a folder that are on their way.
fn left_in(world: &World, folder: &str) -> usize {
    std::fs::read_dir(world.at(folder)).map_or(0, Iterator::count)
}

#[test]
fn a_folder_is_published_to_and_pulled_from() {
    let world = world();
    let done = publish(&world, ONE, "registry").expect(0);
    assert!(
        done.stdout.starts_with("published counter 1.0.0 (") && done.stdout.contains("in registry; sent "),
        "{done:?}"
    );
    let again = publish(&world, ONE, "registry").expect(0);
    assert!(again.stdout.starts_with("was published before: counter 1.0.0"), "{again:?}");
    publish(&world, TWO, "token/registry").refused("token/registry is no registry: it is no folder");
    publish(&world, TWO, "registry").expect(0);

    let pulled = pull(&world, "counter", "registry", "here");
    assert_eq!(pulled["version"], "2.0.0");
    assert_eq!(world.read("here/counter-2.0.0.tar.gz"), world.read(TWO));
    let older = pull(&world, "counter@^1", "registry", "here");
    assert_eq!(older["fetched"]["files_total"], 3);
    assert_eq!(world.read("here/counter-1.0.0.tar.gz"), world.read(ONE));
    // What lies there already is not fetched: nothing but the manifest is.
    let again = pull(&world, "counter@2.0.0", "registry", "here");
    assert_eq!(again["fetched"]["files"], 1, "{again}");

    let mut command = world.command(&["registry", "list", "--json"]);
    let listed = Done::of(command.env("CAMSHAFT_REGISTRY", "registry")).expect(0).json();
    let versions: Vec<&str> = listed["releases"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["version"].as_str())
        .collect();
    assert_eq!(versions, ["1.0.0", "2.0.0"]);
    let verified = world.run(&["registry", "verify", "--dir", "registry"]).expect(0);
    assert!(verified.stdout.starts_with("2 releases and "), "{verified:?}");
    assert_eq!(left_in(&world, "registry/tmp"), 0);
}

#[test]
fn a_yanked_release_is_passed_over_and_still_there_by_its_digest() {
    let world = world();
    for bundle in [ONE, TWO] {
        publish(&world, bundle, "registry").expect(0);
    }
    let yank = ["registry", "yank", "counter@2.0.0", "--reason", "it counts twice", "--in", "registry"];
    let done = world.run(&yank).expect(0);
    assert!(done.stdout.contains("counter 2.0.0 is yanked, by "), "{done:?}");
    assert_eq!(pull(&world, "counter", "registry", "here")["version"], "1.0.0");
    let refused = world.run(&["pull", "counter@2.0.0", "--from", "registry"]);
    let refused = refused.refused("counter 2.0.0 was yanked: it counts twice");
    let exact = refused.stderr.split_whitespace().last().expect("the hint names it").to_owned();
    let pulled = world.run(&["pull", &exact, "--from", "registry", "-o", "here"]).expect(0);
    assert!(pulled.stderr.contains("note: counter 2.0.0 was yanked: it counts twice"), "{pulled:?}");
    assert_eq!(world.read("here/counter-2.0.0.tar.gz"), world.read(TWO));
    world.run(&["registry", "unyank", "counter@2.0.0", "--in", "registry"]).expect(0);
    assert_eq!(pull(&world, "counter", "registry", "here")["version"], "2.0.0");
    world
        .run(&["registry", "unyank", "counter@^2", "--in", "registry"])
        .refused("`counter@^2` does not name one version");
}

#[test]
fn what_is_published_never_changes_and_damage_is_named() {
    let world = world();
    publish(&world, ONE, "registry").expect(0);
    let text = String::from_utf8(world.read("sources/dist/counter/v1/apps/counter/machines/counter.cam"))
        .expect("text");
    let project = "sources/dist/counter/v1";
    world.write(
        &format!("{project}/apps/counter/machines/counter.cam"),
        format!("{text}\n// the same machine\n"),
    );
    world.run(&["build", project, "-o", "other"]).expect(0);
    world.run(&["publish", "other/counter-1.0.0.tar.gz", "--to", "registry"]).expect(0);
    let changed = text.replace("+ 1", "+ 2");
    assert_ne!(changed, text);
    world.write(&format!("{project}/apps/counter/machines/counter.cam"), changed);
    world.run(&["build", project, "-o", "other"]).expect(0);
    publish(&world, "other/counter-1.0.0.tar.gz", "registry")
        .refused("counter 1.0.0 is published already, as sha256:");
    let release = String::from_utf8(world.read(&format!("{project}/release.toml"))).expect("text");
    world.write(&format!("{project}/release.toml"), release.replacen("1.0.0", "1.5.0", 1));
    world.run(&["build", project, "-o", "other"]).expect(0);
    publish(&world, "other/counter-1.5.0.tar.gz", "registry")
        .refused("counter 1.0.0 is released in counter 1.0.0, and is something else there; bump it");

    let record = String::from_utf8(world.read("registry/releases/counter/1.0.0.toml")).expect("text");
    let digest = record.lines().find_map(|line| line.strip_prefix("digest = \"sha256:")).expect("a digest");
    let hex = digest.trim_end_matches('"');
    world.write(&format!("registry/blobs/sha256/{}/{hex}", &hex[..2]), "damaged");
    let done = world.run(&["registry", "verify", "--dir", "registry"]).expect(2);
    assert!(
        done.stderr.contains(&format!("blobs/sha256/{}/{hex}: its digest is sha256:", &hex[..2])),
        "{done:?}"
    );
    let refused = world.run(&["pull", "counter", "--from", "registry", "-o", "here"]).expect(2);
    assert!(refused.stderr.contains(&format!("{hex} is damaged")), "{refused:?}");
    assert!(!world.at("here").exists());
    publish(&world, ONE, "registry").expect(0);
    world.run(&["registry", "verify", "--dir", "registry"]).expect(0);
}

#[test]
fn a_served_registry_takes_from_who_shows_the_token_and_gives_to_all() {
    let world = world();
    let server = Agent::registry(&world, "served", Some("token"));
    let url = server.url();
    world.run(&["publish", ONE, "--to", url]).refused("Who writes has to show a token");
    world.write("wrong", "ffffffffffffffffffffffffffffffff");
    let wrong = world.run(&["publish", ONE, "--to", url, "--token-file", "wrong"]);
    wrong.refused("This is not the token");
    world.write("short", "0123");
    world
        .run(&["publish", ONE, "--to", url, "--token-file", "short"])
        .refused("short holds no token: its first line");
    publish(&world, ONE, url).expect(0);
    publish(&world, TWO, url).expect(0);
    let pulled = pull(&world, "counter@1.0.0", url, "here");
    assert_eq!(pulled["fetched"]["files"], pulled["fetched"]["files_total"]);
    let pulled = pull(&world, "counter", url, "here");
    assert_eq!(pulled["name"], "counter");
    assert_eq!(world.read("here/counter-2.0.0.tar.gz"), world.read(TWO));

    // Carried by hand to where there is no network: a pulled bundle is a file like any other.
    let node = Agent::start(&world, "d1");
    world.run(&["node", "install", "here/counter-1.0.0.tar.gz", "--node", node.url()]).expect(0);
    world.run(&["registry", "verify", "--dir", "served"]).expect(0);
    world.run(&["pull", "shop", "--from", url]).refused("the registry has no shop release");
    world
        .run(&["pull", "counter@9.0.0", "--from", url])
        .refused("the registry has no counter 9.0.0; it has 2.0.0, 1.0.0");
    world.run(&["pull", "counter@", "--from", url]).refused("is no version, range of versions or digest");
    server.kill();
    let gone = Agent::registry(&world, "served", None);
    publish(&world, ONE, gone.url()).refused("This registry takes nothing");
    assert_eq!(pull(&world, "counter", gone.url(), "there")["version"], "2.0.0");
}

#[test]
fn what_is_no_registry_is_told_and_not_made_one() {
    let world = world();
    world.run(&["publish", ONE]).refused("which registry? --to is missing");
    world.run(&["pull", "counter"]).refused("which registry? --from is missing");
    world.run(&["pull", "counter", "--from", "none"]).refused("none is no registry: it has no registry.toml");
    world.run(&["registry", "list", "--in", "ftp://x"]).refused("`ftp://x` is no address of a registry");
    publish(&world, ONE, "dist").refused("dist is no registry: it is not empty and has no registry.toml");
    publish(&world, "token", "registry").refused("token is refused: ");
    assert!(!world.at("registry").exists());
    world
        .run(&["registry", "serve", "--dir", "registry", "--listen", "0.0.0.0:0"])
        .refused("0.0.0.0:0 can be reached from other machines");
    let done = world.run(&["pull", "counter", "--from", "http://127.0.0.1:9", "--json"]).expect(2);
    let message = done.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.starts_with("no answer from http://127.0.0.1:9: "), "{message}");
}

/// A world with two releases of ping-pong, of which one application stays as it is.
fn ping_pong() -> World {
    let world = world();
    for version in ["v1", "v2"] {
        world.build(&format!("pingpong/{version}"));
    }
    world
}

#[test]
fn a_node_is_sent_only_what_it_lacks() {
    let world = ping_pong();
    let node = Agent::start(&world, "d1");
    let url = node.url();
    let [old, new] = ["dist/pingpong-1.0.0.tar.gz", "dist/pingpong-2.0.0.tar.gz"];
    world.run(&["node", "install", old, "--node", url]).expect(0);
    let tried = world.run(&["node", "try", new, "--node", url, "--json"]).expect(0).json();
    let fetched = &tried["fetched"];
    let number = |name: &str| fetched[name].as_u64().unwrap_or_else(|| panic!("no {name} in {tried}"));
    assert!(0 < number("files") && number("files") < number("files_total"), "{tried}");
    assert!(number("bytes") < number("bytes_total"), "{tried}");
    let upgraded = world.run(&["node", "upgrade", new, "--node", url]).expect(0);
    let share = format!("{} of {} files, ", number("files"), number("files_total"));
    assert!(upgraded.stdout.contains(&share) && upgraded.stdout.contains(" fetched"), "{upgraded:?}");
    // What runs is the bundle that was built, to the byte.
    let status = world.run(&["node", "status", "--node", url, "--json"]).expect(0).json();
    let shown = world.run(&["inspect", new, "--json"]).expect(0).json();
    assert_eq!(status["running"]["digest"], shown["digest"]);
    // Now it has everything, and is sent the manifest alone.
    let again = world.run(&["node", "upgrade", new, "--if-needed", "--node", url]).expect(0);
    assert!(again.stdout.contains("runs already; nothing to do"), "{again:?}");
}

#[test]
fn an_agent_fetches_a_named_release_from_its_registry() {
    let world = ping_pong();
    let server = Agent::registry(&world, "served", Some("token"));
    for version in ["1.0.0", "2.0.0"] {
        publish(&world, &format!("dist/pingpong-{version}.tar.gz"), server.url()).expect(0);
    }
    let words = ["--data", "d1", "--listen", "127.0.0.1:0", "--registry", server.url()];
    let node = Agent::start_words(&world, "d1", &words);
    let url = node.url().to_owned();
    let run = |words: &[&str]| world.run(&[&["node"], words, &["--node", &url]].concat());
    let installed = run(&["install", "pingpong@1.0.0", "--json"]).expect(0).json();
    assert_eq!(installed["fetched"]["files"], installed["fetched"]["files_total"], "{installed}");
    let tried = run(&["try", "pingpong@^2"]).expect(0);
    assert!(tried.stdout.contains(" fetched"), "{tried:?}");
    let upgraded = run(&["upgrade", "pingpong@2.0.0", "--json"]).expect(0).json();
    assert_eq!(upgraded["running"]["version"], "2.0.0");
    assert!(
        upgraded["fetched"]["files"].as_u64() < upgraded["fetched"]["files_total"].as_u64(),
        "{upgraded}"
    );

    run(&["upgrade", "pingpong@9.0.0"]).refused("the registry has no pingpong 9.0.0; it has 2.0.0, 1.0.0");
    run(&["upgrade", "pingpong@!"]).refused("`!` is no version, range of versions or digest");
    run(&["upgrade", "pingpong@2.0.0", "--if-needed"])
        .refused("is known when it was fetched, and not before");
    run(&["rollback"]).expect(0);
    let yank = ["registry", "yank", "pingpong@2.0.0", "--reason", "it loses balls", "--token-file", "token"];
    world.run(&[&yank[..], &["--in", server.url()]].concat()).expect(0);
    let refused = run(&["upgrade", "pingpong@2.0.0"]).refused("pingpong 2.0.0 was yanked: it loses balls");
    let exact = refused.stderr.split_whitespace().last().expect("the hint names it").to_owned();
    run(&["upgrade", &exact]).expect(0);
    let needed = run(&["upgrade", &exact, "--if-needed"]).expect(0);
    assert!(needed.stdout.contains("runs already; nothing to do"), "{needed:?}");
    server.kill();
    let down = run(&["try", "pingpong@1.0.0"]).expect(2);
    assert!(
        down.stderr.contains("The registry cannot be used: no answer from http://127.0.0.1:"),
        "{down:?}"
    );

    let alone = Agent::start(&world, "d2");
    world
        .run(&["node", "install", "pingpong@1.0.0", "--node", alone.url()])
        .refused("The node has no registry");
}

#[test]
fn the_registry_of_a_node_may_stand_in_its_document() {
    let world = world();
    publish(&world, ONE, "shelf/registry").expect(0);
    // Relative to the document, not to where the agent was started.
    world.write("shelf/agent.toml", "registry = \"registry\"\n");
    let words = ["--data", "d1", "--listen", "127.0.0.1:0", "--config", "shelf/agent.toml"];
    let node = Agent::start_words(&world, "d1", &words);
    let installed = world.run(&["node", "install", "counter", "--node", node.url()]);
    installed.refused("cannot read counter");
    let installed = world.run(&["node", "install", "counter@1.0.0", "--node", node.url()]).expect(0);
    assert!(
        installed.stdout.contains("counter 1.0.0") && installed.stdout.contains(" fetched"),
        "{installed:?}"
    );
    let odd = world.run(&["agent", "--data", "d2", "--listen", "127.0.0.1:0", "--registry", "ftp://x"]);
    odd.refused("`ftp://x` is no address of a registry");
}
