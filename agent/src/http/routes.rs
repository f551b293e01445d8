//! What is at which address: the table of `docs/http.md`, held against the routes of the source.

/// An address, a method that it takes, and what that does.
struct Route {
    method: &'static str,
    path: &'static str,
    /// The parameters of the query, and what else comes with the request.
    with: &'static str,
    what: &'static str,
}

const fn route(method: &'static str, path: &'static str, with: &'static str, what: &'static str) -> Route {
    Route { method, path, with, what }
}

/// Every route, in the order of the source.
const ROUTES: &[Route] = &[
    route(
        "POST",
        "/v1/apps/{app}/{machine}",
        "`wait=no`; the input",
        "[an input](#send-one) for the instance of a machine without keys",
    ),
    route(
        "POST",
        "/v1/apps/{app}/{machine}/{key}",
        "`wait=no`; the input",
        "[an input](#send-one) for the instance of this key",
    ),
    route("POST", "/v1/batch", "lines", "[many inputs](#send-many)"),
    route("POST", "/v1/stream", "lines", "[inputs for as long as you like](#stream)"),
    route("GET", "/v1/metrics", "", "[figures](#metrics) for Prometheus"),
    route("GET", "/v1/node", "", "how the node is: `camshaft node status`"),
    route("GET", "/v1/node/history", "", "what was done to it: `camshaft node history`"),
    route(
        "GET",
        "/v1/node/audit",
        "",
        "every command and switch in a chain of hashes: `camshaft node audit` ([audit](upgrades.md#show-what-was-done-to-somebody-who-does-not-trust-the-node))",
    ),
    route(
        "GET",
        "/v1/node/backup",
        "",
        "a [backup](backup.md) of the node, as a tar: `camshaft node backup -o FILE`",
    ),
    route(
        "GET",
        "/v1/node/instances",
        "`after`, `limit`, `held=true`",
        "the instances: `camshaft node instances`",
    ),
    route("GET", "/v1/node/capsules", "", "[what failed](#what-failed) lately"),
    route("GET", "/v1/node/capsules/{id}", "", "one of these, for `camshaft replay`"),
    route(
        "GET",
        "/v1/node/parked",
        "`instance`, `after`, `limit`",
        "[what is parked](#what-waits-for-an-operator)",
    ),
    route(
        "POST",
        "/v1/node/redrive",
        "`{\"instance\":…,\"what\":…}`",
        "lets [what waits for an operator](#what-waits-for-an-operator) go on, or gives it up",
    ),
    route(
        "POST",
        "/v1/node/install",
        "`release=NAME@VERSION`, or the bundle",
        "the first release: `camshaft node install`",
    ),
    route(
        "POST",
        "/v1/node/remove",
        "`release=VERSION`, or eight digits of its digest or more; `no_way_back=true`",
        "lets go of an old release: `camshaft node remove` ([removal](upgrades.md#remove-an-old-release))",
    ),
    route(
        "GET",
        "/v1/node/trial",
        "",
        "how far the trial is that goes on; `{\"trial\":null}` when none does",
    ),
    route(
        "DELETE",
        "/v1/node/trial",
        "",
        "ends it before its switch: `camshaft node cancel`; answers what `GET` does",
    ),
    route(
        "POST",
        "/v1/node/try",
        "as `upgrade`",
        "the dry run: `camshaft node try` ([upgrades](upgrades.md#try-upgrade-settle))",
    ),
    route(
        "POST",
        "/v1/node/upgrade",
        "`release=NAME@VERSION`, or the bundle; `drop_clients=1.0.0,1.1.0`, `hold_failing=3`, `shadow=8`, `allow_differences=true`, `probation=5m`, `auto_permanent=true`",
        "the dry run and the switch: `camshaft node upgrade`",
    ),
    route(
        "POST",
        "/v1/node/files/missing",
        "the manifest of a bundle",
        "which of its files the node lacks; then a part of the bundle is enough",
    ),
    route(
        "POST",
        "/v1/node/rollback",
        "`force=true`",
        "goes back: `camshaft node rollback` ([going back](upgrades.md#going-back))",
    ),
    route(
        "POST",
        "/v1/node/make-permanent",
        "",
        "keeps the release that runs: `camshaft node make-permanent`",
    ),
];

/// Returns method and path of every route of the source.
fn of_source() -> Vec<(String, String)> {
    let source = include_str!("mod.rs");
    let mut found = vec![];
    for line in source.split(".route(\"").skip(1) {
        let (path, rest) = line.split_once('"').expect("a path ends");
        let (handlers, _) = rest.split_once('\n').expect("a line ends");
        // The two of inputs share their handler.
        let handlers = if handlers.contains("inputs") { "post(" } else { handlers };
        for (word, method) in [("get(", "GET"), ("post(", "POST"), ("delete(", "DELETE"), ("put(", "PUT")] {
            if handlers.contains(word) {
                found.push((method.to_owned(), path.to_owned()));
            }
        }
    }
    found
}

#[test]
fn every_route_of_the_source_is_in_the_table() {
    let table: Vec<_> = ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    assert_eq!(table, of_source());
}

/// The table of addresses in `docs/http.md`; `UPDATE_EXPECT=1` writes it anew.
#[test]
fn the_page_has_every_route() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/http.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let row = |Route { method, path, with, what }: &Route| {
        let path = path.replace("{app}", "APP").replace("{machine}", "MACHINE").replace("{key}", "KEY");
        format!("| `{method} {}` | {with} | {what} |\n", path.replace("{id}", "ID"))
    };
    let rows: String = ROUTES.iter().map(row).collect();
    let table = format!("| request | with | what it does |\n|---|---|---|\n{rows}");
    let (begin, end) = ("<!-- begin routes -->\n", "<!-- end routes -->");
    let (head, rest) = page.split_once(begin).expect("the mark where the table begins");
    let (found, tail) = rest.split_once(end).expect("the mark where it ends");
    if found != table && std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, format!("{head}{begin}{table}{end}{tail}")).expect("writable");
        return;
    }
    assert_eq!(found, table, "run with UPDATE_EXPECT=1 to write it anew");
}
