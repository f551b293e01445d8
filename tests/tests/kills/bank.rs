//! What the node of these tests runs: tills that pay to accounts, in two versions.

use std::path::PathBuf;

use camshaft_tests::World;

/// How many accounts the tills pay to: `a0`, `a1` and so on.
pub const ACCOUNTS: u64 = 5;

/// A payment of this much is refused with a trap.
pub const UNLUCKY: u64 = 13;

/// A till says with each answer how many payments it made: one that was applied twice shows at once.
fn till(state: &str, next: &str, message: &str) -> String {
    format!(
        "machine till keyed Text
type State  = {{ paid: Int = 0, sent: Int = 0, answered: Int = 0, unanswered: Int = 0{state} }}
type Bill   = {message}
type Billed = Taken | Stands {{ sum: Int, count: Int, deposits: Int }}
type Input  = Pay {{ to: Text, by: Int }} | Read | internal Answered {{ from: Text, answer: Option(Billed) }}
type Output = Paid {{ nth: Int }} | Told {{ paid: Int, sent: Int, answered: Int, unanswered: Int }}
channel account = bank/account(Bill) -> Answered
init = {{ paid: 0 }}
on Pay {{ to, by }} {{
  if by == {UNLUCKY} {{ fail \"unlucky\" }}
  send account[to] Put {{ by: by }}
  ({{ ..state, paid: state.paid + 1, sent: state.sent + by{next} }}, Paid {{ nth: state.paid + 1 }})
}}
on Answered {{ answer, .. }} => match answer {{
  Some(_) => {{ ..state, answered: state.answered + 1 }}
  None    => {{ ..state, unanswered: state.unanswered + 1 }}
}}
on Read => (state, Told {{
  paid: state.paid
  sent: state.sent
  answered: state.answered
  unanswered: state.unanswered
}})
"
    )
}

fn account(state: &str, next: &str, put: &str) -> String {
    format!(
        "machine account keyed Text
type State  = {{ sum: Int = 0, count: Int = 0, deposits: Int = 0{state} }}
type Input  = {put} | Deposit {{ by: Int }} | Read
type Output = Taken | Stands {{ sum: Int, count: Int, deposits: Int }} | Deposited {{ nth: Int }}
init = {{ sum: 0 }}
on Put {{ by, .. }} => ({{ ..state, sum: state.sum + by, count: state.count + 1{next} }}, Taken)
on Deposit {{ by }} => ({{ ..state, sum: state.sum + by, deposits: state.deposits + 1 }}, Deposited {{ nth: state.deposits + 1 }})
on Read => (state, Stands {{ sum: state.sum, count: state.count, deposits: state.deposits }})
"
    )
}

fn build(world: &World, version: &str, from: &str, machines: [&str; 2]) -> PathBuf {
    let release = format!(
        "name = \"bank\"\nversion = \"{version}\"\n{from}\n[apps]\nbank = {{ path = \"apps/bank\" }}\n\n\
         [api]\ndefault = \"{version}\"\n"
    );
    world.write("bank/release.toml", release);
    let app = format!("name = \"bank\"\nversion = \"{version}\"\nmachines = [\"till\", \"account\"]\n");
    world.write("bank/apps/bank/app.toml", app);
    for (name, text) in ["till", "account"].into_iter().zip(machines) {
        world.write(&format!("bank/apps/bank/machines/{name}.cam"), text);
    }
    let done = world.run(&["build", "bank", "-o", "bank/dist", "--json"]).expect(0);
    let bundle = done.json()["bundle"].as_str().map(PathBuf::from);
    world.path().join(bundle.unwrap_or_else(|| panic!("no `bundle` in {}", done.stdout)))
}

/// Builds both versions. In the second, states and messages have more in them.
pub fn releases(world: &World) -> [PathBuf; 2] {
    let (till_1, account_1) = (till("", "", "Put { by: Int }"), account("", "", "Put { by: Int }"));
    let till_2 = till(", last: Option(Int) = None", ", last: Some(by)", "Put { by: Int, tag: Text = \"\" }");
    let account_2 =
        account(", last: Option(Int) = None", ", last: Some(by)", "Put { by: Int, tag: Text = \"\" }");
    [
        build(world, "1.0.0", "", [&till_1, &account_1]),
        build(world, "2.0.0", "from = [\"1.0.0\"]", [&till_2, &account_2]),
    ]
}
