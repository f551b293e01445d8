use camshaft_cam::code::Entry;
use camshaft_cam::code::decode::decode;
use camshaft_cam::code::encode::encode;
use camshaft_cam::verify::verify;
use camshaft_cam::{compile, derive};
use camshaft_manifests::RelativePath;
use camshaft_manifests::bundle::MANIFEST_PATH;

use super::*;
use crate::project::{self, Built, Files, Locking};

const ACCOUNT: &str = "machine account keyed Text
type State = { cents: Int = 0 }
type Input = Charge { cents: Int } | Balance
type Output = Paid | Is(Int)
init = { cents: 0 }
on Charge { cents } => ({ ..state, cents: state.cents + cents }, Paid)
on Balance => (state, Is(state.cents))
";

const STOCK: &str = "machine stock
config { price: Int = 7 }
type State = { sold: Int = 0 }
type Bill = Charge { cents: Int }
type Billed = Paid | Is(Int)
type Input = Sell { to: Text } | internal Answered { answer: Option(Billed) }
type Output = Ok | No
channel billing = bank/account(Bill) -> Answered
init = { sold: 0 }
on Sell { to } {
  send billing[to] Charge { cents: config.price }
  ({ ..state, sold: state.sold + 1 }, Ok)
}
on Answered { answer } => state
";

fn files(version: &str, from: &str, stock: &str) -> Files {
    let file = |path: &str, text: String| (path.to_owned(), text);
    [
        file(
            "release.toml",
            format!(
                "name = \"shop\"\nversion = \"{version}\"\nfrom = [{from}]\n\n[apps]\nbank = {{ path = \"apps/bank\" }}\n\
                 stock = {{ path = \"apps/stock\" }}\n"
            ),
        ),
        file("apps/bank/app.toml", "name = \"bank\"\nversion = \"1.0.0\"\nmachines = [\"account\"]\n".to_owned()),
        file(
            "apps/stock/app.toml",
            format!("name = \"stock\"\nversion = \"{version}\"\ndepends = {{ bank = \"^1.0\" }}\nmachines = [\"stock\"]\n"),
        ),
        file("apps/bank/machines/account.cam", ACCOUNT.to_owned()),
        file("apps/stock/machines/stock.cam", stock.to_owned()),
    ]
    .into()
}

fn build(files: &Files, found: Option<&Built>) -> Built {
    let find = |_: &_, _: &_| found.map(|built| built.release.clone());
    let built = project::build(files, &find, Locking::Update);
    built.unwrap_or_else(|faults| {
        let lines: Vec<String> = faults.iter().map(Diagnostic::one_line).collect();
        panic!("{}", lines.join("\n"))
    })
}

fn first() -> Built {
    build(&files("1.0.0", "", STOCK), None)
}

fn second() -> Built {
    let stock = STOCK.replace("sold: Int = 0", "sold: Int = 0, returned: Int = 0");
    build(&files("2.0.0", "\"1.0.0\"", &stock), Some(&first()))
}

/// A bundle taken apart, to be changed and packed anew with a manifest that is right.
struct Parts {
    release: ResolvedRelease,
    files: BTreeMap<RelativePath, Vec<u8>>,
}

impl Parts {
    fn of(built: &Built) -> Parts {
        let bundle = bundle::read(&built.packed.bytes).expect("good");
        Parts { release: built.release.resolved.clone(), files: bundle.files().clone() }
    }

    fn put(&mut self, path: &str, content: Vec<u8>) {
        self.files.insert(path.parse().expect("a path"), content);
    }

    fn take(&mut self, path: &str) -> Vec<u8> {
        self.files.remove(path).expect("a file")
    }

    fn open(&self) -> Result<OpenedRelease, OpenError> {
        let packed = bundle::write(&self.release.name, &self.release.version, &self.files).expect("small");
        read(&packed.bytes)
    }

    /// Packs with the release document as it is now.
    fn open_changed(mut self) -> Result<OpenedRelease, OpenError> {
        let text = resolved::write(&self.release);
        self.put(RELEASE_PATH, text.into_bytes());
        self.open()
    }
}

fn refused(built: &Built, change: impl FnOnce(&mut Parts)) -> OpenError {
    let mut parts = Parts::of(built);
    change(&mut parts);
    parts.open_changed().expect_err("to be refused")
}

fn unfit(error: OpenError) -> String {
    match error {
        OpenError::Unfit { subject, reason } => format!("{subject}: {reason}"),
        other => panic!("another fault: {other}"),
    }
}

fn app<'a>(parts: &'a mut Parts, name: &str) -> &'a mut resolved::ResolvedApp {
    parts.release.apps.iter_mut().find(|app| app.name.as_str() == name).expect("an application")
}

#[test]
fn what_was_built_opens() {
    let built = second();
    let opened = Parts::of(&built).open_changed().expect("good");
    assert_eq!(opened.resolved, built.release.resolved);
    assert_eq!(opened.digest, built.packed.digest);
    assert_eq!((opened.machines.len(), opened.links.len(), opened.edges.len()), (2, 1, 1));
    assert_eq!(opened.relups.len(), 1);
}

#[test]
fn a_file_is_missing_or_surplus() {
    let digest = first().release.resolved.apps[0].machines[0].digest;
    let error = refused(&first(), |parts| drop(parts.take(&code_path(digest))));
    assert!(matches!(&error, OpenError::Missing { path } if *path == code_path(digest)), "{error}");
    let error = refused(&first(), |parts| parts.put("code/stray.cam2", vec![]));
    assert!(matches!(&error, OpenError::Surplus { path } if path == "code/stray.cam2"), "{error}");
    let mut parts = Parts::of(&first());
    parts.take(RELEASE_PATH);
    let error = parts.open().expect_err("to be refused");
    assert!(matches!(&error, OpenError::Missing { path } if path == RELEASE_PATH), "{error}");
    let error = refused(&second(), |parts| drop(parts.take("relup/1.0.0.toml")));
    assert!(matches!(&error, OpenError::Missing { path } if path == "relup/1.0.0.toml"), "{error}");
}

#[test]
fn a_document_is_garbled_or_of_another_release() {
    let mut parts = Parts::of(&first());
    parts.put(RELEASE_PATH, b"name = 'shop'".to_vec());
    let error = parts.open().expect_err("to be refused");
    assert_eq!(
        error.to_string(),
        "release.toml is garbled: release.toml:1:1: the document needs the key `format`"
    );
    let mut parts = Parts::of(&first());
    parts.release.version = "9.9.9".parse().expect("a version");
    let error = parts.open().expect_err("to be refused");
    assert_eq!(error.to_string(), "the manifest is for shop 9.9.9, the release says shop 1.0.0");
    assert!(parts.files.keys().all(|path| path.as_str() != MANIFEST_PATH));
}

/// Whatever byte of whatever code is changed: it is refused, or what changed are names for people.
#[test]
fn no_byte_of_code_changes_unseen() {
    let built = second();
    let whole = Parts::of(&built);
    let mut opcodes = 0;
    let mut verified = 0;
    for (path, content) in whole.files.iter().filter(|(path, _)| path.as_str().ends_with(".cam2")) {
        for index in 0..content.len() {
            let mut parts = Parts { release: whole.release.clone(), files: BTreeMap::new() };
            parts.files = whole.files.clone();
            let mut bytes = content.clone();
            bytes[index] ^= 0xc0;
            parts.files.insert(path.clone(), bytes);
            match parts.open() {
                Ok(opened) => assert_eq!(opened.resolved, built.release.resolved, "{path}, byte {index}"),
                Err(OpenError::Decode { path: at, source }) => {
                    assert_eq!(at, path.as_str());
                    opcodes += usize::from(matches!(*source, DecodeError::UnknownOpcode { .. }));
                }
                Err(OpenError::Verify { path: at, .. } | OpenError::Digest { path: at, .. }) => {
                    assert_eq!(at, path.as_str());
                    verified += 1;
                }
                Err(other) => panic!("{path}, byte {index}: {other}"),
            }
        }
    }
    assert!(opcodes > 10, "{opcodes} unknown opcodes");
    assert!(verified > 0, "the verifier saw nothing");
}

#[test]
fn an_unknown_opcode_is_refused_by_name() {
    let mut parts = Parts::of(&first());
    let path = code_path(parts.release.apps[0].machines[0].digest);
    let content = parts.take(&path);
    let unknown = (0..content.len()).find_map(|index| {
        let mut bytes = content.clone();
        bytes[index] = 0xee;
        match decode(&bytes) {
            Err(DecodeError::UnknownOpcode { .. }) => Some((index, bytes)),
            _ => None,
        }
    });
    let (offset, bytes) = unknown.expect("code has opcodes");
    parts.put(&path, bytes);
    let error = parts.open().expect_err("to be refused");
    assert_eq!(error.to_string(), format!("{path} is no bytecode: byte {offset}: unknown opcode 0xee"));
}

#[test]
fn wrong_types_are_refused_by_name() {
    let built = first();
    let mut parts = Parts::of(&built);
    let digest = parts.release.apps[0].machines[0].digest;
    let mut module = built.release.machines[&digest].module().clone();
    let Entry::Machine(machine) = &module.entry else { unreachable!("it is a machine") };
    // `init` leaves `()` where the state is promised.
    let init = machine.init.0 as usize;
    module.functions[init].body.0.push(Op::Unit {});
    parts.put(&code_path(digest), encode(&module));
    let error = parts.open().expect_err("to be refused");
    let OpenError::Verify { path, source } = &error else { panic!("another fault: {error}") };
    assert_eq!((path.as_str(), source.fault.rule()), (code_path(digest).as_str(), "V14"), "{error}");
}

#[test]
fn code_under_another_name() {
    let error = refused(&first(), |parts| {
        let [bank, stock] = [0, 1].map(|index| code_path(parts.release.apps[index].machines[0].digest));
        let (a, b) = (parts.take(&bank), parts.take(&stock));
        parts.put(&bank, b);
        parts.put(&stock, a);
    });
    assert!(matches!(error, OpenError::Digest { .. }), "{error}");
}

#[test]
fn code_of_another_kind() {
    let error = refused(&first(), |parts| {
        let link = parts.release.links[0].digest;
        let machine = &mut app(parts, "stock").machines[0];
        let old = std::mem::replace(&mut machine.digest, link);
        parts.take(&code_path(old));
        let content = parts.take(&link_path(link));
        parts.put(&code_path(link), content);
    });
    assert!(matches!(error, OpenError::Kind { wanted: "a machine", .. }), "{error}");
}

#[test]
fn the_release_and_a_machine_do_not_agree() {
    let of = |change: &dyn Fn(&mut resolved::ResolvedMachine)| {
        unfit(refused(&first(), |parts| change(&mut app(parts, "stock").machines[0])))
    };
    assert_eq!(
        of(&|machine| machine.keyed = true),
        "stock/stock: release and code do not agree on whether it is keyed"
    );
    assert_eq!(
        of(&|machine| machine.config = "{\"price\":\"x\"}".to_owned()),
        "stock/stock: its configuration is not of its type: $.price: expected Int, found \"x\""
    );
    // A default that is left out, or a blank: one configuration has one text.
    let canonical = "stock/stock: its configuration is not written canonically";
    assert_eq!(of(&|machine| machine.config = "{}".to_owned()), canonical);
    assert_eq!(of(&|machine| machine.config = "{\"price\": 7}".to_owned()), canonical);
}

#[test]
fn a_link_that_does_not_fit() {
    let built = first();
    let of = |change: &dyn Fn(&mut Parts)| unfit(refused(&built, change));
    assert_eq!(
        of(&|parts| {
            let link = parts.release.links.remove(0);
            parts.take(&link_path(link.digest));
        }),
        "channel billing of stock/stock: it has no link"
    );
    assert_eq!(
        of(&|parts| app(parts, "stock").depends.clear()),
        "channel billing of stock/stock: it sends to bank, and stock does not depend on it"
    );
    let swapped = of(&|parts| {
        let link = &mut parts.release.links[0];
        link.receiver = link.sender.clone();
    });
    let starts = "channel billing of stock/stock: the link leads to machine ";
    assert!(swapped.starts_with(starts), "{swapped}");
    assert_eq!(
        of(&|parts| parts.release.links[0].channel = "other".parse().expect("a name")),
        "channel other of stock/stock: the link is not that of the channel"
    );
}

#[test]
fn a_channel_without_keys_to_a_machine_that_has_them() {
    let keyless = STOCK.replace("billing[to]", "billing");
    let faults = project::build(&files("1.0.0", "", &keyless), &project::Alone, Locking::Update)
        .expect_err("the build refuses it");
    assert_eq!(
        faults.iter().map(|fault| (fault.code, fault.message.as_str())).collect::<Vec<_>>(),
        [("R0111", "`billing` sends without a key, and bank/account has keys")]
    );
    // And so does whoever opens what another builder made.
    let built = first();
    let error = refused(&built, |parts| {
        let verified = |module| verify(module).expect("good code");
        let source = Source::new("stock.cam", keyless);
        let stock = verified(compile::machine(&source, None).expect("compiles")).into_machine();
        let stock = stock.expect("a machine");
        let bank = &built.release.machines[&app(parts, "bank").machines[0].digest];
        let link = verified(derive::link(&stock, "billing", bank).expect("the types fit"));
        let old = std::mem::replace(&mut app(parts, "stock").machines[0].digest, stock.digest());
        parts.take(&code_path(old));
        parts.put(&code_path(stock.digest()), encode(stock.module()));
        let old = std::mem::replace(&mut parts.release.links[0].digest, link.digest());
        parts.take(&link_path(old));
        parts.put(&link_path(link.digest()), encode(link.module()));
    });
    assert_eq!(
        unfit(error),
        "channel billing of stock/stock: it sends without a key, and bank/account has keys"
    );
}

#[test]
fn an_edge_that_does_not_fit() {
    let built = second();
    let error = refused(&built, |parts| parts.release.edges[0].from = Digest::of(b"?"));
    assert_eq!(unfit(error), "an edge of stock/stock: it does not lead where the release says");
    // An edge that is one in itself, from a machine that was never released.
    let stranger = Digest::of(b"never released");
    let error = refused(&built, |parts| {
        let named = parts.release.edges[0].clone();
        let mut module = decode(&parts.take(&edge_path(named.digest))).expect("it was built");
        let Entry::Edge(edge) = &mut module.entry else { unreachable!("it is an edge") };
        edge.from = stranger;
        let digest = verify(module.clone()).expect("well typed in itself").digest();
        parts.put(&edge_path(digest), encode(&module));
        parts.release.edges[0] = resolved::ResolvedEdge { from: stranger, digest, ..named };
    });
    assert_eq!(
        unfit(error),
        format!("an edge of stock/stock: it begins at {stranger}, which no predecessor has")
    );
    // The edge of another machine that only says that it leads here.
    let error = refused(&built, |parts| {
        let named = parts.release.edges[0].clone();
        let verified = |module| verify(module).expect("good code").into_machine().expect("a machine");
        let source = Source::new("account.cam", ACCOUNT);
        let old = verified(compile::machine(&source, None).expect("compiles"));
        let mut module = compile::edge(&old, &old, None).expect("derived");
        let Entry::Edge(edge) = &mut module.entry else { unreachable!("it is an edge") };
        (edge.from, edge.to) = (named.from, named.to);
        let digest = verify(module.clone()).expect("well typed in itself").digest();
        parts.take(&edge_path(named.digest));
        parts.put(&edge_path(digest), encode(&module));
        parts.release.edges[0].digest = digest;
    });
    assert_eq!(
        unfit(error),
        "an edge of stock/stock: its arrow `up` leads to another type than the machine has"
    );
}

#[test]
fn a_relup_that_the_checker_refuses() {
    let built = second();
    let error = refused(&built, |parts| {
        let mut relup = built.release.relups[0].clone();
        relup.up.retain(|instruction| instruction.word() != "verify");
        parts.put("relup/1.0.0.toml", relup::write(&relup).into_bytes());
    });
    let OpenError::Relup { faults, .. } = error else { panic!("another fault: {error}") };
    assert!(faults.iter().any(|fault| fault.rule == "C12"), "{faults:?}");
}
