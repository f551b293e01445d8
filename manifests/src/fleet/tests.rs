use super::*;
use crate::schema::Document;
use crate::schema::testing::check;

const GOOD: &str = r#"release = "shop"

[policy]
canary = 1
waves = ["10%", "50%"]
domains = { label = "zone", order = "one_by_one" }
max_unavailable = "10%"
max_failures = 2
soak = "30m"
deadlines = { node = "10m", wave = "2h", rollback = "5m", rollout = "2d" }
on_failure = "rollback"
approval = "canary"

[[policy.gate]]
name = "nothing is held"
held = 0

[[policy.gate]]
name = "orders arrive"
url = "https://checks.example.org/orders"
secret_file = "secrets/checks"
timeout = "30s"
inconclusive = "fail"

[[policy.window]]
days = ["mon", "tue"]
from = "22:00"
to = "04:00"
offset = "+01:00"

[[group]]
name = "back"
select = "role=back"
after = []
serves = ["stock"]

[[group]]
name = "front-eu"
select = "role=front, zone in (eu-1, eu-2)"
version = "2.0.0"
serves = ["till"]

[group.config.till.till]
limit = 5

[group.policy]
gate = []

[[group.policy.window]]
from = "00:00"
to = "06:00"
"#;

#[test]
fn a_fleet_reads_back_what_it_writes() {
    let fleet = read(&Source::new("fleet.toml", GOOD)).expect("good");
    assert_eq!(write(&fleet), GOOD);
    check(Document::Fleet, GOOD, read, "");
    let policy = fleet.policy_of(&fleet.groups[1]);
    assert!(policy.gates.is_empty() && policy.canary == crate::policy::Amount::Count(1));
    assert_eq!(policy.windows.len(), 1);
    assert_eq!(policy.windows[0].days.len(), 7);
}

fn groups(text: &[(&str, &str)]) -> String {
    let group =
        |(name, more): &(&str, &str)| format!("[[group]]\nname = '{name}'\nselect = 'g={name}'\n{more}\n");
    format!("release = 'shop'\n{}", text.iter().map(group).collect::<String>())
}

#[test]
fn groups_come_one_after_another_unless_they_say_otherwise() {
    let fleet = |more: [&str; 3]| {
        let text = groups(&[("a", more[0]), ("b", more[1]), ("c", more[2])]);
        read(&Source::new("fleet.toml", text)).expect("good")
    };
    let before = |fleet: &Fleet, first: &str, then: &str| {
        let name = |text: &str| text.parse().expect("a name");
        fleet.comes_before(&name(first), &name(then))
    };
    let plain = fleet(["", "", ""]);
    assert!(before(&plain, "a", "b") && before(&plain, "a", "c") && before(&plain, "b", "c"));
    assert!(!before(&plain, "c", "a") && !before(&plain, "a", "a"));
    let beside = fleet(["", "after = []", "after = ['a']"]);
    assert!(before(&beside, "a", "c") && !before(&beside, "a", "b") && !before(&beside, "b", "c"));
    let turned = fleet(["after = ['c']", "after = []", "after = ['b']"]);
    assert!(before(&turned, "b", "a") && before(&turned, "c", "a"));
}

#[test]
fn each_fault_of_groups_is_named_and_placed() {
    let refused = |text: &str, expect: &str| check(Document::Fleet, text, read, expect);
    refused("", "M0103 `` the document needs the key `release`\nM0103 `` the document needs the key `group`");
    refused("release = 'shop'\ngroup = []", "M0115 `[]` a fleet has at least one group");
    refused("release = 'shop'\ngroup = 1", "M0104 `1` `group` is a list, found an integer");
    refused(
        "release = 'shop'\n[[group]]\nnam = 'a'\nselect = 'zone is a'",
        "M0103 `[[group]]` `[group]` needs the key `name`\n\
         M0102 `nam` `[group]` has no key `nam`\nhelp: did you mean `name`?\n\
         M0162 `'zone is a'` `zone is a` is no term of a selector: key=value, key!=value, key in (a, b), key not in (a, b), key or !key",
    );
    refused(
        &groups(&[("a", ""), ("a", "after = []")]).replacen("g=a", "g=b", 1),
        "M0112 `[[group]]` the group a stands twice in `group`",
    );
    refused(
        &groups(&[("a", ""), ("b", "")]).replace("g=a", "g=b"),
        "M0160 `[[group]]` no node is left for the group b: earlier ones have all that `g=b` selects",
    );
    refused(
        &groups(&[("a", ""), ("b", "")]).replace("g=a", "*"),
        "M0160 `[[group]]` no node is left for the group b: earlier ones have all that `g=b` selects",
    );
    refused(&groups(&[("a", "after = ['x']")]), "M0124 `'x'` there is no group x");
    refused(&groups(&[("a", "after = ['a']")]), "M0161 `'a'` the group a comes after itself");
    refused(
        &groups(&[("a", "after = ['b']"), ("b", "")]),
        "M0161 `'b'` a comes after b, and b after a\n\
         help: b has no `after`, and so comes after the group above it, a; write `after` there, or move it",
    );
    refused(
        &groups(&[("a", "after = ['b']"), ("b", "after = ['a']")]),
        "M0161 `'b'` a comes after b, and b after a",
    );
    refused(
        &groups(&[("a", "after = ['b', 'b']\nversion = '1'\nserves = []"), ("b", "after = []")]),
        "M0112 `'b'` `b` stands twice in `group.after`\n\
         M0106 `'1'` `1` is no semantic version such as 1.2.0: unexpected end of input while parsing major version number\n\
         M0115 `[]` a group serves at least one application; without `serves` nobody says which",
    );
    refused(
        &groups(&[("a", "config.stock.counter = 1")]),
        "M0104 `1` `group.config.stock.counter` is a table, found an integer",
    );
}

#[test]
fn each_fault_of_policies_is_named_and_placed() {
    let refused = |line: &str, expect: &str| {
        let text = format!("release = 'shop'\ngroup = [{{ name = 'a', select = '*' }}]\n{line}");
        check(Document::Fleet, &text, read, expect);
    };
    let amount = |text: &str| {
        let bare = text.trim_matches('\'');
        format!(
            "M0157 `{text}` `policy.canary` is a number of nodes or a share such as \"10%\", found `{bare}`"
        )
    };
    for text in ["'101%'", "'%'", "'ten'", "'10'", "'-1%'", "'1.5%'"] {
        refused(&format!("policy.canary = {text}"), &amount(text));
    }
    refused("policy.canary = -1", "M0113 `-1` `policy.canary` lies between 0 and 1000000");
    refused("policy.max_unavailable = 0", "M0113 `0` an upgrade makes one node unavailable at least");
    refused("policy.max_unavailable = '0%'", "M0113 `'0%'` an upgrade makes one node unavailable at least");
    refused(
        "policy.waves = ['10%', '10%']",
        "M0158 `'10%'` a wave goes further than the one before it: 10% after 10%",
    );
    refused("policy.waves = [0, 5]", "M0113 `0` a wave has one node at least");
    refused("policy.waves = [5, '50%']", "M0158 `'50%'` waves are numbers of nodes or shares, not both");
    refused(
        "policy.deadlines = { node = '2h', wave = '1h', rollout = '30m' }",
        "M0155 `{ node = '2h', wave = '1h', rollout = '30m' }` a node may take 2h, longer than its wave, 1h\n\
         M0155 `{ node = '2h', wave = '1h', rollout = '30m' }` a wave may take 1h, longer than its rollout, 30m",
    );
    refused("policy.deadlines.node = '0s'", "M0113 `'0s'` `policy.deadlines.node` is longer than nothing");
    refused(
        "policy.on_failure = 'rolback'",
        "M0111 `'rolback'` `policy.on_failure` is one of `freeze`, `rollback`, found `rolback`\nhelp: did you mean `rollback`?",
    );
    refused("policy.domains = {}", "M0103 `{}` `[policy.domains]` needs the key `label`");
    let gate =
        "a gate asks one thing: `held`, `parked` or `url`; `secret_file` and `timeout` belong to `url`";
    for asks in ["", ", held = 0, parked = 0", ", held = 0, timeout = '1s'"] {
        let item = format!("{{ name = 'g'{asks} }}");
        refused(&format!("policy.gate = [{item}]"), &format!("M0159 `{item}` {gate}"));
    }
    refused(
        "policy.gate = [{ name = 'g', held = 0 }, { name = 'g', parked = 0 }]",
        "M0112 `{ name = 'g', parked = 0 }` the gate g stands twice in `policy.gate`",
    );
    refused(
        "policy.window = [{ from = '25:00', to = '6' }, { days = ['monday'], from = '01:00', to = '01:00' }]",
        "M0163 `'25:00'` `25:00` is no time of the day such as 22:30\n\
         M0163 `'6'` `6` is no time of the day such as 22:30\n\
         M0155 `{ days = ['monday'], from = '01:00', to = '01:00' }` the window ends when it begins, at 01:00\n\
         M0111 `'monday'` `policy.window.days` is one of `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`, found `monday`",
    );
    refused(
        "policy.window = [{ days = [], from = '01:00', to = '02:00', offset = 'CET' }]",
        "M0115 `[]` a window has at least one day; without `days` it has all\n\
         M0164 `'CET'` `CET` is no offset from UTC such as +02:00, -05:30 or +00:00",
    );
    refused(
        "policy.window = [{ days = ['mon', 'mon'], from = '01:00', to = '02:00' }]",
        "M0112 `'mon'` the day stands twice in `policy.window.days`",
    );
}
