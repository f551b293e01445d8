//! `camshaft check` and a project's `fleet.toml`.

use camshaft_tests::World;

const TILL: &str = "machine till
type State = { sold: Int = 0 }
config { limit: Int = 10 }
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

/// Writes a version of the project into `shop`.
fn write(world: &World, version: &str, from: &str, till: &str, account: &str) {
    let file = |path: &str, text: &str| world.write(&format!("shop/{path}"), text);
    file(
        "release.toml",
        &format!(
            "name = \"shop\"\nversion = \"{version}\"\n{from}\n[apps]\nbank = {{ path = \"apps/bank\" }}\n\
             till = {{ path = \"apps/till\" }}\n\n[config.till.till]\nlimit = 5\n"
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
}

/// Returns a world whose release 2.0.0 needs receivers before senders.
fn world() -> World {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    write(&world, "1.0.0", "", TILL, ACCOUNT);
    world.run(&["build", "shop"]).expect(0);
    let till = TILL
        .replace("Charge { cents: Int }\n", "Charge { cents: Int } | Refund\n")
        .replace("  ({ ..state", "  send billing Refund\n  ({ ..state");
    let account =
        ACCOUNT.replace("Int }\ntype Output", "Int } | Refund\ntype Output") + "on Refund => (state, Paid)\n";
    write(&world, "2.0.0", "from = [\"1.0.0\"]\n", &till, &account);
    world
}

const TILLS: &str = "[[group]]\nname = \"tills\"\nselect = \"role=till\"\nserves = [\"till\"]\n";
const BANKS: &str = "[[group]]\nname = \"banks\"\nselect = \"role=bank\"\nserves = [\"bank\"]\n";

#[test]
fn the_order_of_groups_is_held_against_the_order_that_channels_need() {
    let world = world();
    let fleet =
        |groups: &[&str]| world.write("shop/fleet.toml", format!("release = \"shop\"\n{}", groups.concat()));
    let check = || world.run(&["check", "shop"]);

    fleet(&[BANKS, TILLS]);
    assert_eq!(check().expect(0).stdout, "shop 2.0.0: 2 machines, 1 predecessor, 2 groups, no faults\n");

    let needs = "from 1.0.0 to 2.0.0, banks has to be done before tills begins, for the channel billing of \
                 till/till to bank/account";
    fleet(&[TILLS, BANKS]);
    let done = check().refused(needs);
    // Both places, and the mend.
    for words in [
        "error[R0142]",
        "till is served here",
        "and bank here",
        "write `after = [\"banks\"]` in the group tills",
    ] {
        assert!(done.stderr.contains(words), "no {words} in {}", done.stderr);
    }
    // Groups that go at the same time are in no order.
    fleet(&[BANKS, TILLS, "after = []\n"]);
    check().refused(needs);
    fleet(&[TILLS, "after = [\"banks\"]\n", BANKS, "after = []\n"]);
    check().expect(0);
    // Nodes that serve both send nothing to other nodes, and of groups that do not say nothing is known.
    let both = BANKS.replace("[\"bank\"]", "[\"bank\", \"till\"]");
    fleet(&[TILLS, &both]);
    check().expect(0);
    fleet(&[TILLS, &BANKS.replace("serves", "#")]);
    check().expect(0);
    // A group that stays on the older release does not come over.
    fleet(&[TILLS, "version = \"1.0.0\"\n", BANKS]);
    check().expect(0);
    // It is no part of a bundle.
    fleet(&[TILLS, BANKS]);
    world.run(&["build", "shop"]).expect(0);
}

#[test]
fn what_a_fleet_says_of_the_project_has_to_be_true() {
    let world = world();
    let check = |text: &str| {
        world.write("shop/fleet.toml", text);
        world.run(&["check", "shop"])
    };
    let group = |more: &str| format!("release = \"shop\"\n[[group]]\nname = \"all\"\nselect = \"*\"\n{more}");
    check("release = \"other\"\n[[group]]\nname = \"all\"\nselect = \"*\"\n")
        .refused("this project is the release shop, not other");
    check(&group("serves = [\"stock\"]\n")).refused("the release has no application stock");
    check(&group("[group.config.till.desk]\nx = 1\n"))
        .refused("the release has no machine till/desk to configure");
    check(&group("[group.config.bank.account]\nx = 1\n")).refused("bank/account takes no configuration");
    let done = check(&group("[group.config.till.till]\nlimit = \"many\"\n"))
        .refused("the configuration of till/till in the group all: ");
    assert!(done.stderr.contains("fleet.toml:6:9"), "{}", done.stderr);
    let done = check(&group("[group.config.till.till]\nlimt = 1\n"));
    done.refused("the configuration of till/till in the group all: ");
    check(&group("[group.config.till.till]\nlimit = 7\n")).expect(0);
    // Faults of the document itself come first, all of them.
    let done = check("release = \"shop\"\n[[group]]\nnam = \"all\"\nselect = \"zone is a\"\n")
        .refused("shop: 3 faults");
    assert!(done.stderr.contains("did you mean `name`?"), "{}", done.stderr);
}
