//! The agent on a real socket, data folder and clock, with the bundles of `examples/`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use camshaft_agent::api::{
    FilesMissing, HistoryKind, Instances, NodeStatus, PART_TYPE, Problem, ReleaseState, Report, Supplied,
    TryReport,
};
use camshaft_agent::{Options, ServeError, Trust, serve_until};
use camshaft_releases::bundle::{self, Outline};
use camshaft_releases::project::{self, Built, Files, Locking};
use tempfile::TempDir;
use tokio::sync::oneshot;

fn build(path: &str, found: &[&Built]) -> Built {
    fn walk(root: &Path, folder: &Path, files: &mut Files) {
        for entry in std::fs::read_dir(folder).expect("an example is there") {
            let path = entry.expect("an entry of a folder that can be read").path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path.strip_prefix(root).expect("it lies within").to_string_lossy().into_owned();
                files.insert(name, std::fs::read_to_string(&path).expect("examples are text"));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(path);
    let mut files = Files::new();
    walk(&root, &root, &mut files);
    files.remove(project::LOCK_PATH);
    build_files(&files, path, found)
}

fn build_files(files: &Files, path: &str, found: &[&Built]) -> Built {
    let find = |name: &camshaft_manifests::ReleaseName, version: &camshaft_manifests::Version| {
        let named = |built: &&&Built| {
            (&built.release.resolved.name, &built.release.resolved.version) == (name, version)
        };
        found.iter().find(named).map(|built| built.release.clone())
    };
    project::build(files, &find, Locking::Update).unwrap_or_else(|faults| panic!("{path}: {faults:?}"))
}

struct Agent {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

fn options(data: &Path) -> Options {
    Options {
        take_over: None,
        again: None,
        shards: Some(2),
        waiting: camshaft_agent::host::WAITING_MAX,
        probation: Default::default(),
        max_pause: None,
        limits: Default::default(),
        data: data.to_owned(),
        listen: "127.0.0.1:0".parse().expect("an address"),
        labels: Default::default(),
        registry: None,
        trust: Trust::Anybody,
        names: vec![],
        ports: camshaft_agent::ports::Bindings::default(),
    }
}

impl Agent {
    fn start(data: &Path) -> Agent {
        let options = options(data);
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, readied) = channel();
        let thread = std::thread::spawn(move || {
            let until = || {
                Ok(async {
                    let _ = stopped.await;
                })
            };
            serve_until(&options, until, |address| ready.send(address).expect("somebody waits"))
        });
        let address = readied.recv().expect("the agent gets ready");
        Agent { address, stop: Some(stop), thread: Some(thread) }
    }

    fn raw(&self, request: &[u8]) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.write_all(request).expect("it reads");
        let mut answer = vec![];
        stream.read_to_end(&mut answer).expect("it answers");
        let answer = String::from_utf8(answer).expect("answers are text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, head.to_lowercase(), body.to_owned())
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        let (status, head, body) = self.raw(&[head.as_bytes(), body].concat());
        let kind = if status == 200 { "application/json" } else { "application/problem+json" };
        assert!(head.contains(&format!("content-type: {kind}")), "{path}: {head}");
        (status, body)
    }

    fn send(&self, path: &str, body: &str) -> String {
        let (status, body) = self.ask("POST", &format!("/v1/apps/{path}"), "", body.as_bytes());
        assert_eq!(status, 200, "{body}");
        body
    }

    fn refused(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String, String) {
        let (status, body) = self.ask(method, path, headers, body);
        let problem: Problem = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        assert_eq!(problem.status, status);
        assert!(!problem.hint.is_empty() && !problem.title.is_empty());
        (status, problem.code, problem.detail)
    }

    fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> T {
        let (status, body) = self.ask("GET", path, "", b"");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("the shape of the interface")
    }

    fn post<T: serde::de::DeserializeOwned>(&self, path: &str, body: &[u8]) -> T {
        let (status, body) = self.ask("POST", path, "", body);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("the shape of the interface")
    }

    fn stop(mut self) {
        drop(self.stop.take());
        self.thread.take().expect("it runs").join().expect("no panic").expect("it ends well");
    }
}

#[test]
fn the_counter_over_its_life() {
    let one = build("counter/v1", &[]);
    let two = build("counter/v2", &[&one]);
    let data = TempDir::new().expect("a folder");
    let agent = Agent::start(data.path());
    let empty: NodeStatus = agent.get("/v1/node");
    assert_eq!((empty.running, empty.switch), (None, 0));

    let report: Report = agent.post("/v1/node/install", &one.packed.bytes);
    assert_eq!((report.what, report.state), (HistoryKind::Installed, ReleaseState::Permanent));
    assert_eq!(agent.send("counter/counter", "\"Incr\""), "\"Ok\"");
    assert_eq!(agent.send("counter/counter", "\"Read\""), "{\"Count\":1}");
    let trial: TryReport = agent.post("/v1/node/try", &two.packed.bytes);
    assert!(trial.passed);
    let report: Report = agent.post("/v1/node/upgrade", &two.packed.bytes);
    assert_eq!((report.state, report.switch), (ReleaseState::Provisional, Some(2)));
    assert_eq!(agent.send("counter/counter", "\"Read\""), "{\"Count\":1}");
    let (status, code, detail) = agent.refused("POST", "/v1/node/upgrade", "", &two.packed.bytes);
    assert_eq!((status, code.as_str()), (409, "other-base"));
    assert!(detail.starts_with("the running machine is not the one this upgrade starts from"), "{detail}");

    // A second agent on the same data is refused; a stopped one leaves all behind.
    let error = serve_until(&options(data.path()), || Ok(async {}), |_| {}).expect_err("it is taken");
    assert!(error.is_refusal());
    agent.stop();
    let agent = Agent::start(data.path());
    assert_eq!(agent.send("counter/counter", "\"Read\""), "{\"Count\":1}");
    let report: Report = agent.post("/v1/node/rollback", b"");
    assert_eq!(report.running.version, "1.0.0");
    assert_eq!(agent.send("counter/counter", "\"Read\""), "{\"Count\":1}");
    let list: Instances = agent.get("/v1/node/instances?limit=1");
    assert_eq!((list.instances.len(), list.next), (1, None));

    // Three is the state that the bad migration does not think of.
    agent.send("counter/counter", "\"Incr\"");
    agent.send("counter/counter", "\"Incr\"");
    for (bad, step) in [("counter/bad-migration", "up"), ("counter/bad-invariant", "invariant")] {
        let bundle = build(bad, &[&one]);
        let (status, code, detail) = agent.refused("POST", "/v1/node/upgrade", "", &bundle.packed.bytes);
        assert_eq!((status, code.as_str()), (409, "trial-failed"));
        assert!(detail.starts_with(&format!("counter/counter: {step}: ")), "{detail}");
        assert_eq!(agent.send("counter/counter", "\"Read\""), "{\"Count\":3}");
    }
    let base = build("counter/wrong-base/base", &[]);
    let wrong = build("counter/wrong-base/v2", &[&base]);
    let (_, code, detail) = agent.refused("POST", "/v1/node/upgrade", "", &wrong.packed.bytes);
    assert_eq!(code, "other-base");
    assert!(detail.contains("the upgrade starts from another 1.0.0"), "{detail}");
    agent.stop();
}

#[test]
fn what_is_no_request_is_refused_with_a_problem() {
    let one = build("counter/v1", &[]);
    let data = TempDir::new().expect("a folder");
    let agent = Agent::start(data.path());
    let incr = b"\"Incr\"";
    let path = "/v1/apps/counter/counter";
    let refused = |method: &str, path: &str, headers: &str, body: &[u8], status: u16, code: &str| {
        let (found, found_code, detail) = agent.refused(method, path, headers, body);
        assert_eq!((found, found_code.as_str()), (status, code), "{method} {path}: {detail}");
    };
    refused("POST", path, "", incr, 404, "empty");
    refused("POST", "/v1/node/rollback", "", b"", 409, "empty");
    refused("POST", "/v1/node/make-permanent", "", b"", 409, "empty");
    refused("POST", "/v1/node/upgrade", "", &one.packed.bytes, 409, "empty");
    let _: Report = agent.post("/v1/node/install", &one.packed.bytes);
    refused("POST", "/v1/node/install", "", &one.packed.bytes, 409, "not-empty");
    refused("POST", "/v1/node/install", "", b"no bundle", 400, "bad-bundle");
    refused("POST", "/v1/node/upgrade", "", &one.packed.bytes[..100], 400, "bad-bundle");
    refused("POST", "/v1/node/rollback", "", b"", 409, "nothing-to-roll-back");
    refused("POST", "/v1/node/rollback?force=1", "", b"", 400, "bad-request");
    refused("GET", "/v1/node/instances?limit=0", "", b"", 400, "bad-request");
    refused("GET", "/v1/node/instances?page=1", "", b"", 400, "bad-request");
    refused("GET", "/v1/nothing", "", b"", 404, "not-found");
    refused("GET", path, "", b"", 405, "method-not-allowed");
    refused("DELETE", "/v1/node", "", b"", 405, "method-not-allowed");
    refused("POST", "/v1/apps/counter/other", "", incr, 404, "not-found");
    refused("POST", "/v1/apps/counter/counter/key", "", incr, 404, "not-found");
    refused("POST", "/v1/apps/Counter/counter", "", incr, 404, "not-found");
    refused("POST", "/v1/apps/counter/counter/%ff", "", incr, 400, "bad-request");
    refused("POST", path, "", b"\"Incr", 400, "wrong-type");
    refused("POST", path, "", b"\"Decrement\"", 400, "wrong-type");
    refused("POST", path, "", b"\xff", 400, "wrong-type");
    refused("POST", path, "camshaft-message: c\r\n", incr, 400, "bad-request");
    refused("POST", path, "camshaft-message: c/0\r\n", incr, 400, "bad-request");
    refused("POST", path, "camshaft-message: c/+1\r\n", incr, 400, "bad-request");
    refused("POST", path, "camshaft-message: c/1\r\nidempotency-key: k\r\n", incr, 400, "bad-request");
    refused("POST", path, "", &vec![b' '; (1 << 20) + 1], 413, "too-large");

    refused("POST", path, "origin: http://example.com\r\n", incr, 403, "foreign-origin");
    let (status, _, _) =
        agent.raw(b"GET /v1/node HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n");
    assert_eq!(status, 403);

    let message = "camshaft-message: c/1\r\n";
    assert_eq!(agent.ask("POST", path, message, incr), (200, "\"Ok\"".to_owned()));
    assert_eq!(agent.ask("POST", path, message, incr), (200, "\"Ok\"".to_owned()));
    refused("POST", path, message, b"\"Read\"", 409, "conflict");
    assert_eq!(agent.send("counter/counter", "\"Read\""), "{\"Count\":1}");
    agent.stop();
}

/// A release of the counter that calls a port, as an upgrade from `found` where there is one.
fn with_port(version: &str, found: &[&Built]) -> Built {
    let from: Vec<String> =
        found.iter().map(|built| format!("{:?}", built.release.resolved.version.to_string())).collect();
    let machine = "machine counter\ntype State = Int\ntype Input = Incr | Read\ntype Output = Ok | Count(Int)\n\
                   type Mail = Letter { count: Int }\nport mail(Mail)\ninit = 0\n\
                   on Incr { call mail Letter { count: state }; (state + 1, Ok) }\non Read => (state, Count(state))\n";
    let release = format!(
        "name = \"counter\"\nversion = \"{version}\"\nfrom = [{}]\n\n[apps]\ncounter = {{ path = \"apps/counter\" }}\n",
        from.join(", ")
    );
    let app = format!("name = \"counter\"\nversion = \"{version}\"\nmachines = [\"counter\"]\n");
    let files = [
        ("release.toml", release),
        ("apps/counter/app.toml", app),
        ("apps/counter/machines/counter.cam", machine.to_owned()),
    ];
    let files = files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect();
    build_files(&files, version, found)
}

#[test]
fn a_release_that_calls_a_port_is_refused_before_anything_changes() {
    let one = build("counter/v1", &[]);
    let data = TempDir::new().expect("a folder");
    let agent = Agent::start(data.path());
    let reason = "the port mail of counter/counter is not bound on this node; add to its agent.toml:\n\n\
                  [ports.counter.counter.mail]\nwebhook = \"https://HOST/PATH\"\n";
    let unbound = (409, "unbound-port".to_owned(), reason.to_owned());
    let first = with_port("1.0.0", &[]);
    assert_eq!(agent.refused("POST", "/v1/node/install", "", &first.packed.bytes), unbound);
    let status: NodeStatus = agent.get("/v1/node");
    assert_eq!((status.running, status.switch), (None, 0), "nothing was installed");

    let _: Report = agent.post("/v1/node/install", &one.packed.bytes);
    agent.send("counter/counter", "\"Incr\"");
    let next = with_port("2.0.0", &[&one]);
    for command in ["try", "upgrade"] {
        let path = format!("/v1/node/{command}");
        assert_eq!(agent.refused("POST", &path, "", &next.packed.bytes), unbound);
    }
    let status: NodeStatus = agent.get("/v1/node");
    assert_eq!((status.running.map(|running| running.version), status.switch), (Some("1.0.0".to_owned()), 1));
    assert_eq!(agent.send("counter/counter", "\"Read\""), "{\"Count\":1}");
    agent.stop();
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let data = TempDir::new().expect("a folder");
    let options = Options { listen: "0.0.0.0:0".parse().expect("an address"), ..options(data.path()) };
    let error = serve_until(&options, || Ok(async {}), |_| {}).expect_err("not loopback");
    assert!(matches!(error, ServeError::NotLoopback(_)), "{error}");
    assert!(error.is_refusal());
}

#[test]
fn a_part_of_a_bundle_is_completed_from_what_the_node_keeps_or_refused() {
    let one = build("pingpong/v1", &[]);
    let two = build("pingpong/v2", &[&one]);
    let data = TempDir::new().expect("a folder");
    let agent = Agent::start(data.path());
    let bundle = bundle::read(&two.packed.bytes).expect("it was just built");
    let manifest = Outline::of(&bundle).bytes();
    let all: FilesMissing = agent.post("/v1/node/files/missing", &manifest);
    assert_eq!(all.missing, Outline::of(&bundle).contents().into_keys().collect());
    let _: Report = agent.post("/v1/node/install", &one.packed.bytes);
    let lacks: FilesMissing = agent.post("/v1/node/files/missing", &manifest);
    assert!(!lacks.missing.is_empty() && lacks.missing.len() < all.missing.len(), "one application stays");

    let part_type = format!("content-type: {PART_TYPE}\r\n");
    let refused = |path: &str, headers: &str, body: &[u8]| {
        let (status, code, detail) = agent.refused("POST", path, headers, body);
        (format!("{status} {code}"), detail)
    };
    let first = *lacks.missing.first().expect("one at least");
    let less = bundle.write_part(|digest| lacks.missing.contains(&digest) && digest != first);
    assert_eq!(
        refused("/v1/node/upgrade", &part_type, &less),
        (
            "409 lacks-files".to_owned(),
            format!("neither what was sent nor what the node keeps has the file {first}")
        )
    );
    let part = bundle.write_part(|digest| lacks.missing.contains(&digest));
    let (code, detail) = refused("/v1/node/upgrade", "", &part);
    assert_eq!(code, "400 bad-bundle", "a part is no bundle: {detail}");
    assert_eq!(refused("/v1/node/try", &part_type, b"nothing").0, "400 bad-bundle");
    assert_eq!(refused("/v1/node/files/missing", "", b"nothing").0, "400 bad-bundle");
    for (path, detail) in [
        (
            "/v1/node/upgrade?release=pingpong",
            "`release` names what is to be fetched, and there is a body too",
        ),
        ("/v1/node/install?releases=x", "there is no parameter `releases` here"),
    ] {
        assert_eq!(refused(path, "", b"x"), ("400 bad-request".to_owned(), detail.to_owned()));
    }
    assert!(
        refused("/v1/node/try?release=../x", "", b"").1.starts_with("`release`: `../x` names no release: ")
    );
    let (code, detail) = refused("/v1/node/try?release=pingpong", "", b"");
    assert_eq!(
        (code.as_str(), &*detail),
        ("409 no-registry", "nobody said where pingpong is to be fetched from")
    );
    let status: NodeStatus = agent.get("/v1/node");
    assert_eq!((status.running.expect("it runs").version, status.switch), ("1.0.0".to_owned(), 1));

    let (status, body) = agent.ask("POST", "/v1/node/upgrade", &part_type, &part);
    assert_eq!(status, 200, "{body}");
    let supplied: Supplied<Report> = serde_json::from_str(&body).expect("the shape of the interface");
    assert_eq!(supplied.report.running.digest, bundle.digest());
    let fetched = supplied.fetched.expect("it was a part");
    assert_eq!(fetched.files, lacks.missing.len() as u64 + 1, "the manifest is one of them");
    assert!(fetched.bytes < fetched.bytes_total);
    agent.stop();
}
