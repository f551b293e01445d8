//! What `camshaft diff` says of channels between nodes.

use camshaft_tests::World;

const TILL: &str = "machine till
type State = { sold: Int = 0 }
type Bill = | Charge { cents: Int }
type Input = | Sell
type Output = | Ok
channel billing = bank/account(Bill)
init = { sold: 0 }
on Sell {
  send billing Charge { cents: 7 }
  ({ ..state, sold: state.sold + 1 }, Ok)
}
";

const ACCOUNT: &str = "machine account
type State = { cents: Int = 0 }
type Input = | Charge { cents: Int }
type Output = | Paid
init = { cents: 0 }
on Charge { cents } => ({ ..state, cents: state.cents + cents }, Paid)
";

/// Builds a release of the two machines.
fn release(world: &World, version: &str, till: &str, account: &str) -> String {
    let file = |path: &str, text: &str| world.write(&format!("{version}/{path}"), text);
    file(
        "release.toml",
        &format!(
            "name = \"shop\"\nversion = \"{version}\"\n\n[apps]\nbank = {{ path = \"apps/bank\" }}\ntill = {{ path = \"apps/till\" }}\n"
        ),
    );
    file(
        "apps/bank/app.toml",
        &format!("name = \"bank\"\nversion = \"{version}\"\nmachines = [\"account\"]\n"),
    );
    file(
        "apps/till/app.toml",
        &format!(
            "name = \"till\"\nversion = \"{version}\"\ndepends = {{ bank = \"*\" }}\nmachines = [\"till\"]\n"
        ),
    );
    file("apps/bank/machines/account.cam", account);
    file("apps/till/machines/till.cam", till);
    let built = world.run(&["build", version, "--json"]).expect(0).json();
    let bundle = built["bundle"].as_str().expect("where the bundle is");
    world.at(bundle).to_string_lossy().into_owned()
}

#[test]
fn which_nodes_come_first_is_told_with_the_change_that_asks_for_it() {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    let old = release(&world, "1.0.0", TILL, ACCOUNT);
    let till = TILL
        .replace("Charge { cents: Int }\n", "Charge { cents: Int } | Refund\n")
        .replace("  ({ ..state", "  send billing Refund\n  ({ ..state");
    let account =
        ACCOUNT.replace("Int }\ntype Output", "Int } | Refund\ntype Output") + "on Refund => (state, Paid)\n";
    let between = release(&world, "1.1.0", TILL, &account);
    let new = release(&world, "2.0.0", &till, &account);

    let told = world.run(&["diff", &old, &new]).expect(0).stdout;
    let (_, section) = told.split_once("\n\n  if routed").expect("a section of its own");
    assert_eq!(
        section,
        " to another node: nodes with bank before those with till\n\
         \x20 ~ channel billing of till/till to bank/account: receivers first\n\
         \x20   ~ new sender, old receiver: U024 message.Refund: the case is new, and the old version has no counterpart\n"
    );
    let json = world.run(&["diff", &old, &new, "--json"]).expect(0).json();
    let routes = &json["routes"];
    assert_eq!(routes["stages"], serde_json::json!([["bank"], ["till"]]));
    let channel = &routes["channels"][0];
    assert_eq!(
        (&channel["order"], &channel["old_sender"]),
        (&"receivers-first".into(), &serde_json::json!([]))
    );
    assert_eq!(channel["new_sender"][0]["case"], "Refund");
    assert_eq!(
        channel["between"][0],
        "bank/account takes Refund already, and till/till does not send it yet"
    );

    // The release in between makes either order possible, and needs none itself.
    for (from, to) in [(&old, &between), (&between, &new)] {
        let told = world.run(&["diff", from, to]).expect(0).stdout;
        assert!(told.ends_with("\n\n  if routed to another node: nodes in any order\n"), "{told}");
    }
    // Back, the case goes first where it is sent.
    let back = world.run(&["diff", &new, &old, "--json"]).expect(0).json();
    assert_eq!(back["routes"]["stages"], serde_json::json!([["till"], ["bank"]]));
}

#[test]
fn where_no_order_does_the_release_in_between_is_named() {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    let old = release(&world, "1.0.0", TILL, ACCOUNT);
    let till = TILL.replace("cents: Int", "cents: Text").replace("cents: 7", "cents: \"7\"");
    let account = ACCOUNT.replace("Charge { cents: Int }", "Charge { cents: Text }");
    let account = account.replace("cents: state.cents + cents", "cents: state.cents");
    let new = release(&world, "2.0.0", &till, &account);
    let told = world.run(&["diff", &old, &new]).expect(0).stdout;
    for line in [
        "! if routed to another node: no order of nodes does, a release in between is needed\n",
        "  ! channel billing of till/till to bank/account: no order does\n",
        "    ~ old sender, new receiver: U005 message.Charge.cents: Int does not become Text by itself\n",
        "    ~ new sender, old receiver: U005 message.Charge.cents: Text does not become Int by itself\n",
        "      in between: till/till is as in the older release, and bank/account takes all of it still\n",
    ] {
        assert!(told.contains(line), "{line}{told}");
    }
    let json = world.run(&["diff", &old, &new, "--json"]).expect(0).json();
    assert_eq!(
        (&json["routes"]["stages"], &json["routes"]["channels"][0]["order"]),
        (&serde_json::Value::Null, &"neither".into())
    );
}
