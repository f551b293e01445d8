//! What the tests share: entries, and small releases made from text.

use std::collections::BTreeMap;
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_manifests::published::{PublishedRelease, Stamp, Yank};
use camshaft_releases::bundle::{self, Bundle};
use camshaft_releases::project::{self, Files, Locking};

use crate::client::HttpRegistry;
use crate::client::pace::testing::TestPace;
use crate::folder::Folder;
use crate::http::{self, Options, Reach, Token};
use crate::source::Entry;

pub(crate) fn stamp() -> Stamp {
    Stamp { at_ms: 1_700_000_000_000, by: "ann".to_owned() }
}

pub(crate) fn yank() -> Yank {
    Yank { reason: "it was bad".to_owned(), stamp: stamp() }
}

/// An entry that a text such as `1.0.0` or `1.0.0 yanked` describes.
pub(crate) fn entry(name: &str, text: &str) -> Entry {
    let (version, yanked) = match text.split_once(' ') {
        Some((version, _)) => (version, Some(yank())),
        None => (text, None),
    };
    let release = PublishedRelease {
        name: name.parse().expect("a name"),
        version: version.parse().expect("a version"),
        digest: Digest::of(version.as_bytes()),
        archive_bytes: 1,
        files: 1,
        bytes: 1,
        published: stamp(),
        apps: vec![],
        predecessors: BTreeMap::new(),
        yanked,
    };
    Entry { release, signed: false }
}

/// A release with one counter of this application version; `start` is where it begins.
pub(crate) fn counter(name: &str, version: &str, app: &str, start: u32) -> Bundle {
    let machine = format!(
        "machine counter\ntype State = {{ count: Int = {start} }}\ntype Input = | Add\ntype Output = | Ok\n\
         init = {{ count: {start} }}\non Add => ({{ ..state, count: state.count + 1 }}, Ok)\n"
    );
    let files: Files = [
        ("release.toml", format!("name = \"{name}\"\nversion = \"{version}\"\n\n[apps]\ncounter = {{ path = \"apps/counter\" }}\n")),
        ("apps/counter/app.toml", format!("name = \"counter\"\nversion = \"{app}\"\nmachines = [\"counter\"]\n")),
        ("apps/counter/machines/counter.cam", machine),
    ]
    .into_iter()
    .map(|(path, text)| (path.to_owned(), text))
    .collect();
    let built = project::build(&files, &project::Alone, Locking::Update)
        .unwrap_or_else(|faults| panic!("{faults:#?}"));
    bundle::read(&built.packed.bytes).expect("it was just built")
}

/// The token of test servers.
pub(crate) const TOKEN: &str = "0123456789abcdef";

/// A server of a registry in a folder of its own; it stops when this goes.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) root: tempfile::TempDir,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(token: Option<&str>) -> Server {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = Folder::create(root.path()).expect("writable");
        let token = token.and_then(Token::of);
        let listen = "127.0.0.1:0".parse().expect("an address");
        let options = Options { folder, listen, reach: Reach::Loopback, token };
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (ready, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let stopped = || Ok(async move { drop(stopped.await) });
            let on_ready = |address| ready.send(address).expect("somebody waits");
            http::serve_until(options, stopped, on_ready).expect("it serves");
        });
        let address = address.recv().expect("it listens");
        Server { url: format!("http://{address}"), root, stop: Some(stop), thread: Some(thread) }
    }

    /// A client of it, which never really waits.
    pub(crate) fn client(&self, token: Option<&str>) -> HttpRegistry {
        HttpRegistry::with_pace(&self.url, token.and_then(Token::of), Arc::new(TestPace::default()))
            .expect("an address")
    }

    pub(crate) fn folder(&self) -> Folder {
        Folder::open(self.root.path()).expect("a registry")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}
