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
         \x20 ~ machine counter: states made anew, the way down forgets only what is new (D1)\n\
         \x20   ~ U028 State: Int does not become (Int, Int) by itself (the migration says)\n\
         \x20   ~ instances may begin in another state\n\
         \x20   ~ on Incr: answers, states or effects may differ\n\
         \x20   ~ on Read: answers, states or effects may differ\n\
         \x20     edge: certified, it cannot fail\n\
         \x20     a state goes up for 7 fuel at most\n"
    );
    let back = world.run(&["diff", &v2, &v1]).expect(0).stdout;
    assert!(back.contains("no edge: ") && !back.contains("the migration says"), "{back}");
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
    let [v1, v2, v3] = ["v1", "v2", "v3"]
        .map(|version| world.build(&format!("pingpong/{version}")).to_string_lossy().into_owned());
    // Version 3 comes from version 2, whose clients its migration answers; and over it from version 1.
    let json = world.run(&["diff", &v2, &v3, "--strict", "state", "--json"]).expect(0).json();
    assert_eq!((&json["breaches"], &json["strict"]), (&0.into(), &"state".into()));
    let said = json["apps"][1]["machines"][0]["said"].as_array().expect("what its migration says");
    assert!(said.contains(&"lower U019 Output.Stats.seen".into()), "{said:?}");
    let refused = world.run(&["diff", &v3, &v2, "--strict", "state"]);
    refused.refused("what class `state` promises is broken in ");
    let json = world.run(&["diff", &v3, &v2, "--json"]).expect(0).json();
    assert_eq!(json["strict"], serde_json::Value::Null);
    let chained = world.run(&["diff", &v1, &v3]).expect(0);
    assert!(!chained.stderr.contains("is broken"), "{}", chained.stderr);
    let back = world.run(&["diff", &v3, &v2]).expect(0);
    assert!(back.stderr.contains("note: what the newer release asks for is broken"), "{}", back.stderr);
    let json = world.run(&["diff", &v3, &v2, "--strict", "state", "--json"]).expect(1).json();
    let details = &json["error"]["details"];
    assert_eq!(details["strict"], "state");
    // Back from version 3, without an edge: the state loses what version 2 has no field for.
    let pong = &details["apps"][1];
    assert_eq!(pong["bump"]["needed"], "major");
    let breach = &pong["breaches"][0];
    assert_eq!((&breach["arrow"], &breach["change"]["rule"]), (&"up".into(), &"U019".into()));
    assert_eq!(breach["change"]["path"], "State.even");
    assert!(breach["mend"].as_str().is_some_and(|mend| !mend.is_empty()));
    world
        .run(&["diff", &v2, &v3, "--strict", "loose"])
        .refused("`loose` is none of wire, state, history, frozen");
}
