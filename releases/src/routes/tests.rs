use camshaft_cam::diagnostic::Diagnostic;

use super::*;
use crate::project::{self, Built, Files, Locking};

const TILL: &str = "machine till
type State = { paid: Int = 0 }
type Bill = | Charge { cents: Int }
type Billed = Paid | Short
type Input = | Sell | internal Answered { answer: Option(Billed) }
type Output = | Ok
channel billing = bank/account(Bill) -> Answered
init = { paid: 0 }
on Sell {
  send billing Charge { cents: 7 }
  (state, Ok)
}
on Answered { answer } => state
";

const ACCOUNT: &str = "machine account
type State = { cents: Int = 0 }
type Input = Charge { cents: Int } | Total | Clear
type Output = Paid | Short | Is(Int) | Blocked
init = { cents: 0 }
on Charge { cents } => ({ ..state, cents: state.cents + cents }, Paid)
on Total => (state, Is(state.cents))
on Clear => ({ ..state, cents: 0 }, Blocked)
";

type Edits<'e> = &'e [(&'e str, &'e str)];

fn changed(text: &str, edits: Edits<'_>) -> String {
    edits.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

fn files(version: &str, from: &str, till: &str, account: Option<&str>, lower: &str) -> Files {
    let bank = account.map_or("", |_| "bank = { path = \"apps/bank\" }\n");
    let depends = account.map_or("", |_| "depends = { bank = \"*\" }\n");
    let release = format!(
        "name = \"shop\"\nversion = \"{version}\"\nfrom = [{from}]\n\n[apps]\n{bank}till = {{ path = \"apps/till\" }}\n"
    );
    let mut files: Files = [
        ("release.toml", release),
        (
            "apps/till/app.toml",
            format!("name = \"till\"\nversion = \"{version}\"\n{depends}machines = [\"till\"]\n"),
        ),
        ("apps/till/machines/till.cam", till.to_owned()),
    ]
    .map(|(path, text)| (path.to_owned(), text))
    .into();
    if let Some(account) = account {
        let app = format!("name = \"bank\"\nversion = \"{version}\"\nmachines = [\"account\"]\n");
        files.insert("apps/bank/app.toml".to_owned(), app);
        files.insert("apps/bank/machines/account.cam".to_owned(), account.to_owned());
    }
    if !lower.is_empty() {
        let appup =
            "[[from]]\nversion = \"1.0.0\"\n[from.machines.account]\nmigration = \"migrations/m.cam\"\n";
        files.insert("apps/bank/appup.toml".to_owned(), appup.to_owned());
        let migration = format!("migration account from \"1.0.0\"\n{lower}");
        files.insert("apps/bank/migrations/m.cam".to_owned(), migration);
    }
    files
}

fn build(files: &Files, found: Option<&Built>) -> Built {
    let find = |_: &_, _: &_| found.map(|built| built.release.clone());
    project::build_unjudged(files, &find, Locking::Update).unwrap_or_else(|faults| {
        let lines: Vec<String> = faults.iter().map(Diagnostic::one_line).collect();
        panic!("{}", lines.join("\n"))
    })
}

/// What becomes of the channel between two releases, each the base with its edits, and with what the
/// account's migration says.
fn with_migration(old: [Edits<'_>; 2], new: [Edits<'_>; 2], migration: &str) -> Route {
    let texts = |edits: [Edits<'_>; 2]| (changed(TILL, edits[0]), changed(ACCOUNT, edits[1]));
    let ((till, account), (new_till, new_account)) = (texts(old), texts(new));
    let first = build(&files("1.0.0", "", &till, Some(&account), ""), None);
    let second = files("2.0.0", "\"1.0.0\"", &new_till, Some(&new_account), migration);
    let second = build(&second, Some(&first));
    let mut found = routes(&first.release, &second.release).channels;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// The same of releases without an edge between them: types alone decide.
fn route(old: [Edits<'_>; 2], new: [Edits<'_>; 2]) -> Route {
    let [first, second] = [("1.0.0", old), ("2.0.0", new)].map(|(version, [till, account])| {
        let (till, account) = (changed(TILL, till), changed(ACCOUNT, account));
        build(&files(version, "", &till, Some(&account), ""), None)
    });
    routes(&first.release, &second.release).channels.remove(0)
}

/// What breaks, in words: `message Charge`.
fn words(gaps: &[Gap]) -> Vec<String> {
    let word = |gap: &Gap| match gap {
        Gap::NoReceiver => "no receiver".to_owned(),
        Gap::Keys { sent } => format!("keys {sent}"),
        Gap::Message { case, changes } => format!("message {case} {}", changes[0].rule),
        Gap::Answer { case, changes } => format!("answer {case} {}", changes[0].rule),
    };
    gaps.iter().map(word).collect()
}

fn judged(route: &Route) -> (Order, Vec<String>, Vec<String>) {
    (route.order(), words(&route.old_sender), words(&route.new_sender))
}

const NONE: Edits<'static> = &[];
const SENDS_REFUND: Edits<'static> = &[
    ("Charge { cents: Int }\n", "Charge { cents: Int } | Refund\n"),
    ("  (state, Ok)", "  send billing Refund\n  (state, Ok)"),
];
const TAKES_REFUND: Edits<'static> =
    &[("| Total", "| Total | Refund"), ("on Total", "on Refund => (state, Paid)\non Total")];
const MAY_BLOCK: Edits<'static> = &[
    ("on Charge { cents } =>", "on Charge { cents } => if cents > 9 { (state, Blocked) } else {"),
    ("cents: state.cents + cents }, Paid)", "cents: state.cents + cents }, Paid) }"),
];
const TAKES_BLOCKED: Edits<'static> = &[("Billed = Paid | Short", "Billed = Paid | Short | Blocked")];

#[test]
fn nothing_that_matters_to_the_other_end_is_any_order() {
    let any = (Order::Any, vec![], vec![]);
    assert_eq!(judged(&route([NONE, NONE], [NONE, NONE])), any);
    // States, other inputs, and their answers are nothing to the channel.
    let other: Edits<'_> = &[
        ("cents: Int = 0 }", "cents: Int = 0, times: Int = 0 }"),
        ("Is(Int)", "Is(Int) | Never"),
        (
            "on Total => (state, Is(state.cents))",
            "on Total => (state, if state.cents > 9 { Never } else { Blocked })",
        ),
    ];
    let other = route([NONE, NONE], [&[("paid", "got")], other]);
    assert_eq!((judged(&other), other.between()), (any.clone(), vec![]));
    // A new field with a default is made where the old sender lacks it, and left out for the old receiver.
    let more: Edits<'_> = &[("Charge { cents: Int }", "Charge { cents: Int, tip: Int = 0 }")];
    let takes: Edits<'_> = &[more[0], ("on Charge { cents }", "on Charge { cents, .. }")];
    assert_eq!(judged(&route([NONE, NONE], [more, takes])), any);
    assert_eq!(judged(&with_migration([NONE, NONE], [more, takes], "")), any);
    // Without a default the old sender lacks it; the old receiver just does not get it.
    let needed: Edits<'_> = &[
        ("Charge { cents: Int }", "Charge { cents: Int, tip: Int }"),
        ("Charge { cents: 7 }", "Charge { cents: 7, tip: 0 }"),
    ];
    let takes: Edits<'_> = &[needed[0], takes[1]];
    let found = route([NONE, NONE], [needed, takes]);
    assert_eq!(judged(&found), (Order::SendersFirst, vec!["message Charge U018".to_owned()], vec![]));
}

#[test]
fn a_case_that_the_old_receiver_lacks_asks_for_receivers_first() {
    let route_of = |taken| route([NONE, taken], [SENDS_REFUND, TAKES_REFUND]);
    let found = route_of(NONE);
    assert_eq!(judged(&found), (Order::ReceiversFirst, vec![], vec!["message Refund U024".to_owned()]));
    assert_eq!(found.between(), ["bank/account takes Refund already, and till/till does not send it yet"]);
    // As the release in between has it.
    assert_eq!(route_of(TAKES_REFUND).order(), Order::Any);
    assert_eq!(route([NONE, NONE], [NONE, TAKES_REFUND]).order(), Order::Any);
    // Declared is not sent.
    let declared: Edits<'_> = &[SENDS_REFUND[0], ("  send billing Charge { cents: 7 }\n", "")];
    assert_eq!(route([NONE, NONE], [declared, TAKES_REFUND]).order(), Order::Any);
}

#[test]
fn a_case_that_the_new_receiver_lacks_asks_for_senders_first() {
    let found =
        with_migration([SENDS_REFUND, TAKES_REFUND], [NONE, NONE], "lift Refund => Charge { cents: 0 }\n");
    // The migration says what becomes of it, which may be any input, and so any answer.
    assert_eq!(found.order(), Order::SendersFirst, "{found:?}");
    assert_eq!(words(&found.old_sender), ["answer Is U024", "answer Blocked U024"]);
    // Without an edge there is nothing that says it.
    let found = route([SENDS_REFUND, TAKES_REFUND], [NONE, NONE]);
    assert_eq!(judged(&found), (Order::SendersFirst, vec!["message Refund U025".to_owned()], vec![]));
    assert_eq!(
        found.between(),
        [
            "till/till sends Refund only as the newer bank/account takes it too, and bank/account takes all of it still"
        ]
    );
}

#[test]
fn a_case_that_is_taken_from_inside_only_now_is_lacked() {
    let only_refund: Edits<'_> =
        &[("Charge { cents: Int }\n", "Refund\n"), ("billing Charge { cents: 7 }", "billing Refund")];
    let inside: Edits<'_> = &[
        ("Input = Charge", "Input = internal Charge"),
        TAKES_REFUND[0],
        TAKES_REFUND[1],
        ("cents: state.cents + cents }, Paid)", "cents: state.cents + cents })"),
        ("({ ..state, cents: state.cents + cents })", "{ ..state, cents: state.cents + cents }"),
    ];
    let found = route([NONE, TAKES_REFUND], [only_refund, inside]);
    assert_eq!(judged(&found), (Order::SendersFirst, vec!["message Charge U036".to_owned()], vec![]));
    assert_eq!(route([NONE, TAKES_REFUND], [only_refund, TAKES_REFUND]).order(), Order::Any);
}

#[test]
fn an_answer_that_the_old_sender_lacks_asks_for_senders_first() {
    let found = route([NONE, NONE], [TAKES_BLOCKED, MAY_BLOCK]);
    assert_eq!(judged(&found), (Order::SendersFirst, vec!["answer Blocked U024".to_owned()], vec![]));
    assert_eq!(
        found.between(),
        ["till/till takes the answer Blocked already, and bank/account does not give it yet"]
    );
    assert_eq!(route([TAKES_BLOCKED, NONE], [TAKES_BLOCKED, MAY_BLOCK]).order(), Order::Any);
}

#[test]
fn an_answer_that_the_new_sender_lacks_asks_for_receivers_first() {
    let found = route([TAKES_BLOCKED, MAY_BLOCK], [NONE, NONE]);
    assert_eq!(judged(&found), (Order::ReceiversFirst, vec![], vec!["answer Blocked U025".to_owned()]));
    assert_eq!(found.between(), ["bank/account answers Blocked only as the newer till/till takes it too"]);
    assert_eq!(route([TAKES_BLOCKED, NONE], [NONE, NONE]).order(), Order::Any);
}

#[test]
fn what_breaks_both_pairs_needs_a_release_in_between() {
    let till =
        changed(TILL, &[("Charge { cents: Int }", "Charge { cents: Text }"), ("cents: 7", "cents: \"7\"")]);
    let account = changed(
        ACCOUNT,
        &[("Charge { cents: Int }", "Charge { cents: Text }"), ("state.cents + cents", "state.cents")],
    );
    let first = build(&files("1.0.0", "", TILL, Some(ACCOUNT), ""), None);
    let second = build(&files("2.0.0", "", &till, Some(&account), ""), None);
    let found = routes(&first.release, &second.release);
    let one = &found.channels[0];
    let gaps = || vec!["message Charge U005".to_owned()];
    assert_eq!(judged(one), (Order::Neither, gaps(), gaps()));
    assert_eq!(
        one.between(),
        [
            "bank/account takes what Charge holds in the newer release under another name, beside Charge as it was; \
             the newer till/till sends it under that name",
            "till/till is as in the older release, and bank/account takes all of it still"
        ]
    );
    assert_eq!((found.stages(), found.demands()), (None, vec![]));
    assert_eq!(found.without_order().count(), 1);
}

#[test]
fn a_channel_that_one_release_has_counts() {
    let alone = changed(
        TILL,
        &[
            ("channel billing = bank/account(Bill) -> Answered\n", ""),
            ("  send billing Charge { cents: 7 }\n", ""),
            (" | internal Answered { answer: Option(Billed) }", ""),
            ("on Answered { answer } => state\n", ""),
        ],
    );
    let with = |account| files("1.0.0", "", TILL, account, "");
    let without = build(&files("1.0.0", "", &alone, None, ""), None);
    let both = build(&with(Some(ACCOUNT)), None);
    let judge = |old: &Built, new: &Built| judged(&routes(&old.release, &new.release).channels[0]);
    assert_eq!(judge(&without, &both), (Order::ReceiversFirst, vec![], vec!["no receiver".to_owned()]));
    assert_eq!(judge(&both, &without), (Order::SendersFirst, vec!["no receiver".to_owned()], vec![]));
    // The machine was there before, and takes what is sent.
    let mut silent = with(Some(ACCOUNT));
    silent.insert("apps/till/machines/till.cam".to_owned(), alone.clone());
    let silent = build(&silent, None);
    assert_eq!(judge(&silent, &both), (Order::Any, vec![], vec![]));
    assert_eq!(routes(&silent.release, &without.release).channels, []);
}

#[test]
fn keys_on_one_side_break_both_pairs() {
    let first = build(&files("1.0.0", "", TILL, Some(ACCOUNT), ""), None);
    let till = changed(TILL, &[("send billing ", "send billing[\"k\"] ")]);
    let account = changed(ACCOUNT, &[("machine account", "machine account keyed Text")]);
    let second = build(&files("2.0.0", "", &till, Some(&account), ""), None);
    let found = routes(&first.release, &second.release).channels.remove(0);
    let keys = |sent| vec![format!("keys {sent}")];
    assert_eq!(judged(&found), (Order::Neither, keys(false), keys(true)));
}

#[test]
fn a_lower_that_a_migration_says_counts() {
    let later: Edits<'_> = &[
        ("| Blocked\n", "| Blocked | Later\n"),
        ("cents: state.cents + cents }, Paid)", "cents: state.cents + cents }, Later)"),
    ];
    let takes: Edits<'_> = &[("Billed = Paid | Short", "Billed = Paid | Short | Later")];
    // The till that takes every answer of the older account, whichever the migration gives.
    let old: Edits<'_> = &[("Billed = Paid | Short", "Billed = Paid | Short | Is(Int) | Blocked")];
    let new: Edits<'_> = &[("Billed = Paid | Short", "Billed = Paid | Short | Is(Int) | Blocked | Later")];
    let lower = "lower Later => Paid\n";
    assert_eq!(judged(&route([NONE, NONE], [takes, later])).1, ["answer Later U024"]);
    assert_eq!(judged(&with_migration([old, NONE], [new, later], lower)), (Order::Any, vec![], vec![]));
    assert_eq!(
        judged(&with_migration([NONE, NONE], [takes, later], lower)).1,
        ["answer Later U024"],
        "a person wrote the answer, and it may be one that the old sender does not take"
    );
}

fn named(name: &str) -> MachineAddress {
    name.parse().expect("an address")
}

/// A channel that asks for `order` between two applications.
fn asking(sender: &str, receiver: &str, order: Order) -> Route {
    let gaps = |breaks| if breaks { vec![Gap::NoReceiver] } else { vec![] };
    Route {
        sender: named(&format!("{sender}/m")),
        channel: "c".parse().expect("a name"),
        receiver: named(&format!("{receiver}/m")),
        old_sender: gaps(matches!(order, Order::SendersFirst | Order::Neither)),
        new_sender: gaps(matches!(order, Order::ReceiversFirst | Order::Neither)),
    }
}

fn stages(routes: &Routes) -> Option<Vec<String>> {
    let shown = |stage: Vec<&AppName>| stage.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    routes.stages().map(|stages| stages.into_iter().map(shown).collect())
}

#[test]
fn applications_come_in_the_order_that_their_channels_ask_for() {
    use Order::{Any, ReceiversFirst, SendersFirst};
    let found = Routes {
        channels: vec![
            asking("a", "b", ReceiversFirst),
            asking("b", "c", ReceiversFirst),
            asking("d", "a", SendersFirst),
            asking("c", "a", Any),
        ],
    };
    assert_eq!(stages(&found), Some(vec!["c d".to_owned(), "b".to_owned(), "a".to_owned()]));
    assert_eq!(found.contradictions(), Vec::<Vec<Demand<'_>>>::new());
    assert_eq!(stages(&Routes { channels: vec![asking("c", "a", Any)] }), Some(vec![]));
}

#[test]
fn demands_that_contradict_each_other_are_told_with_their_channels() {
    use Order::{ReceiversFirst, SendersFirst};
    let found = Routes {
        channels: vec![
            asking("a", "b", ReceiversFirst),
            asking("b", "a", ReceiversFirst),
            asking("a", "c", SendersFirst),
        ],
    };
    assert_eq!(stages(&found), None);
    let circles = found.contradictions();
    let ends = |demand: &Demand<'_>| (demand.first.to_string(), demand.then.to_string(), demand.routes.len());
    let told: Vec<Vec<_>> = circles.iter().map(|circle| circle.iter().map(ends).collect()).collect();
    let pair = |first: &str, then: &str| (first.to_owned(), then.to_owned(), 1);
    assert_eq!(told, [[pair("a", "b"), pair("b", "a")]]);
    assert_eq!(circles[0][0].routes, [&found.channels[1]]);
}
