//! `camshaft diff`, as a user and as a script see it.

use camshaft_tests::World;

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

#[test]
fn what_changed_is_told_by_types_and_code() {
    let world = world();
    let [v1, v2] = ["counter/v1", "counter/v2"].map(|path| world.build(path).to_string_lossy().into_owned());
    let same = world.run(&["diff", &v1, &v1]).expect(0).stdout;
    assert_eq!(same, "counter 1.0.0 -> 1.0.0\n\n  app counter 1.0.0\n    machine counter: the same\n");
    let told = world.run(&["diff", &v1, &v2]).expect(0).stdout;
    assert_eq!(
        told,
        "counter 1.0.0 -> 2.0.0\n\n\
         ~ app counter 1.0.0 -> 2.0.0: major; the changes ask for patch\n\
         \x20 ~ machine counter: states made anew, the way down is the one that the migration writes\n\
         \x20   ~ U028 State: Int does not become (Int, Int) by itself\n\
         \x20   ~ instances begin in another state\n\
         \x20   ~ on Incr: answers, states or effects may differ\n\
         \x20   ~ on Read: answers, states or effects may differ\n\
         \x20     edge: certified, it cannot fail\n"
    );
    let json = world.run(&["diff", &v1, &v2, "--json"]).expect(0).json();
    assert_eq!(json["breaches"], 0);
    let machine = &json["apps"][0]["machines"][0];
    assert_eq!((&machine["what"], &machine["certified"]), (&"changed".into(), &true.into()));
    assert_eq!(machine["up"][0]["rule"], "U028");
    assert_eq!(machine["inputs"][0]["acts_otherwise"], true);
}

#[test]
fn what_breaks_the_class_asked_for_is_refused() {
    let world = world();
    for version in ["pingpong/v1", "pingpong/v2"] {
        world.build(version);
    }
    let v2 = world.build("pingpong/v2").to_string_lossy().into_owned();
    let v3 = world.build("pingpong/v3").to_string_lossy().into_owned();
    let refused = world.run(&["diff", &v2, &v3]);
    refused.refused("what class `state` promises is broken in 1 place");
    let json = world.run(&["diff", &v2, &v3, "--json"]).expect(1).json();
    let details = &json["error"]["details"];
    assert_eq!((&details["breaches"], &details["strict"]), (&1.into(), &"state".into()));
    let pong = &details["apps"][1];
    assert_eq!(pong["bump"]["needed"], "major");
    let breach = &pong["breaches"][0];
    assert_eq!((&breach["arrow"], &breach["change"]["rule"]), (&"lower".into(), &"U019".into()));
    assert_eq!(breach["change"]["path"], "Output.Stats.seen");
    assert!(breach["mend"].as_str().is_some_and(|mend| !mend.is_empty()));
    world
        .run(&["diff", &v2, &v3, "--strict", "loose"])
        .refused("`loose` is none of wire, state, history, frozen");
}
