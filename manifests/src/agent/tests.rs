use super::*;
use crate::schema::Document;
use crate::schema::testing::check;

const GOOD: &str = r#"data = "/var/lib/camshaft"
listen = "127.0.0.1:7101"
trust = "trust/root.json"
registry = "https://registry.example.org"

[controller]
url = "https://fleet.example.org"
token_file = "join-token"

[labels]
role = "edge"
zone = "eu-1"

[limits]
max_pause = "50ms"
mailbox = 256
waiting = 4096
shadow = 8
memory = "2GiB"

[probation]
time = "5m"
permanent = "auto"
return = "manual"
traps = 25
rise = 5
ends = 2

[ports.shop.till.mail]
webhook = "https://mail.example.org/send"
secret_file = "secrets/mail"
timeout = "5s"
retry = { attempts = 8, first = "200ms", most = "30s" }

[ports.shop.till.print]
webhook = "http://127.0.0.1:9000"

[routes]
"stock/counter" = "http://10.0.0.2:7101"
"#;

#[test]
fn an_agent_reads_back_what_it_writes() {
    let agent = read(&Source::new("agent.toml", GOOD)).expect("good");
    assert_eq!(write(&agent), GOOD);
    let port = |name: &str| PortAddress {
        machine: "shop/till".parse().expect("an address"),
        port: name.parse().expect("a name"),
    };
    assert_eq!(agent.ports[&port("print")].retry, Retry::default());
    assert_eq!(agent.ports[&port("mail")].timeout, Millis(5000));
    assert_eq!(read(&Source::new("agent.toml", "")), Ok(AgentManifest::default()));
    assert_eq!(write(&AgentManifest::default()), "");
    check(Document::Agent, GOOD, read, "");
    check(Document::Agent, "probation = { time = '10m', ends = 1 }", read, "");
    check(Document::Agent, "registry = '../registry'", read, "");
}

#[test]
fn each_fault_is_named_and_placed() {
    let refused = |text: &str, expect: &str| check(Document::Agent, text, read, expect);
    refused("dta = 'x'", "M0102 `dta` the document has no key `dta`\nhelp: did you mean `data`?");
    refused(
        "data = ''\ntrust = \"a\\nb\"",
        "M0154 `''` a path has 1 to 2048 bytes and no control characters\n\
         M0154 `\"a\\nb\"` a path has 1 to 2048 bytes and no control characters",
    );
    refused(
        "listen = 'localhost'",
        "M0150 `'localhost'` `listen` is an address and port such as 127.0.0.1:7101, found `localhost`",
    );
    refused(
        "registry = 'htp://a'",
        "M0151 `'htp://a'` `htp://a` is no URL such as https://registry.example.org:8443/path",
    );
    refused("controller = 'http://a'", "M0104 `'http://a'` `controller` is a table, found a string");
    refused("[controller]", "M0103 `[controller]` `[controller]` needs the key `url`");
    refused(
        "controller = { url = 'https://a:b@c', token = 'x' }",
        "M0151 `'https://a:b@c'` this URL holds a name or password; no secret stands in a document, put it into a file\n\
         M0102 `token` `[controller]` has no key `token`\nhelp: it has `url`, `token_file`",
    );
    refused(
        "labels = { Zone = 'a', zone = 'a b' }",
        "M0152 `Zone` `Zone` is no key of a label: a lower-case letter, then lower-case letters, digits, `_`, `.` and `-`, 63 at most\n\
         M0152 `'a b'` `a b` is no value of a label: a letter or digit, then letters, digits, `_`, `.` and `-`, 63 at most",
    );
    refused(
        "limits = { max_pause = '0s', mailbox = 0, shadow = 1001, memory = '1MB' }",
        "M0113 `'0s'` `limits.max_pause` is longer than nothing\n\
         M0113 `0` `limits.mailbox` lies between 1 and 1000000\n\
         M0113 `1001` `limits.shadow` lies between 1 and 1000\n\
         M0153 `'1MB'` `1MB` is no size such as 64KiB, 512MiB or 2GiB",
    );
    refused(
        "probation = { time = '0s', permanent = 'yes', return = 'never', rise = 101 }",
        "M0113 `'0s'` `probation.time` is longer than nothing\n\
         M0111 `'yes'` `probation.permanent` is one of `auto`, `manual`, found `yes`\n\
         M0111 `'never'` `probation.return` is one of `auto`, `manual`, found `never`\n\
         M0113 `101` `probation.rise` lies between 1 and 100",
    );
    refused("ports.a = 1", "M0104 `1` `ports.a` is a table, found an integer");
    refused("ports.a.b = 1", "M0104 `1` `ports.a.b` is a table, found an integer");
    refused("[ports.a.b.c]", "M0103 `[ports.a.b.c]` `[ports.a.b.c]` needs the key `webhook`");
    let port = |line: &str| format!("[ports.a.b.c]\nwebhook = 'http://a'\n{line}");
    refused(
        &port("secret = 'hunter2'"),
        "M0102 `secret` `[ports.a.b.c]` has no key `secret`\n\
         help: it has `webhook`, `secret_file`, `timeout`, `retry`",
    );
    refused(&port("timeout = '0s'"), "M0113 `'0s'` `ports.a.b.c.timeout` is longer than nothing");
    refused(
        &port("retry = { attempts = 0, first = '2s', most = '1s' }"),
        "M0155 `{ attempts = 0, first = '2s', most = '1s' }` the first wait, 2s, is longer than the longest, 1s\n\
         M0113 `0` `ports.a.b.c.retry.attempts` lies between 1 and 1000000",
    );
    refused("routes.stock = 'http://a'", "M0125 `stock` the address of a machine is `app/machine`");
}
