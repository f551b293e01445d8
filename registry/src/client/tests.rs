use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Mutex;

use super::pace::testing::TestPace;
use super::*;
use crate::testing::{Server, TOKEN, counter, stamp, yank};
use crate::{Wanted, find_app, pull, send};

/// A server that answers each request as a script says, and notes what was asked. A connection
/// takes one request.
struct Script {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    /// `answer` gets the number of the request and what was asked, and returns all bytes of the answer.
    fn of(answer: impl Fn(usize, &str) -> Vec<u8> + Send + 'static) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = asked.clone();
        std::thread::spawn(move || {
            for (count, stream) in listener.incoming().enumerate() {
                let mut stream = stream.expect("a connection");
                let mut head = String::new();
                for line in BufReader::new(&stream).lines() {
                    let line = line.unwrap_or_default().to_lowercase();
                    if line.is_empty() {
                        break;
                    }
                    head += &format!("{line}\n");
                }
                noted.lock().expect("no panic").push(head.clone());
                // Who asked may have gone already.
                let _ = stream.write_all(&answer(count, &head));
            }
        });
        Script { url, asked }
    }

    fn client(&self) -> (HttpRegistry, Arc<TestPace>) {
        let pace = Arc::new(TestPace::default());
        (HttpRegistry::with_pace(&self.url, None, pace.clone()).expect("an address"), pace)
    }

    fn requests(&self) -> usize {
        self.asked.lock().expect("no panic").len()
    }
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").as_bytes(), body].concat()
}

const CONTENT: &[u8] = b"the content of a file, which is somewhat longer than one byte";

fn digest() -> Digest {
    Digest::of(CONTENT)
}

fn length() -> u64 {
    CONTENT.len() as u64
}

/// Serves the content, but no more than `cut` bytes of it at once.
fn cutting(cut: usize) -> Script {
    Script::of(move |_, head| {
        let from = head.split("range: bytes=").nth(1).and_then(|rest| rest.split('-').next()?.parse().ok());
        let from: usize = from.unwrap_or(0);
        let (rest, all) = (&CONTENT[from..], CONTENT.len());
        let status = match from {
            0 => "200 OK".to_owned(),
            from => format!("206 Partial Content\r\ncontent-range: bytes {from}-{}/{all}", all - 1),
        };
        answer(&format!("{status}\r\ncontent-length: {}", rest.len()), &rest[..cut.min(rest.len())])
    })
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    for cut in [1, 7, 30, CONTENT.len() - 1] {
        let script = cutting(cut);
        let (client, pace) = script.client();
        assert_eq!(client.content(digest(), Some(length())).expect("in pieces"), CONTENT, "{cut}");
        assert_eq!(script.requests(), CONTENT.len().div_ceil(cut), "{cut}");
        let asked = script.asked.lock().expect("no panic");
        assert!(asked[1].contains(&format!("range: bytes={cut}-")), "{}", asked[1]);
        assert!(asked[1].contains(&format!("if-range: \"{}\"", digest())), "{}", asked[1]);
        // Each time something came, so that each wait is the first.
        let waits = pace.waits.lock().expect("no panic");
        assert!(waits.iter().all(|wait| wait.as_millis() == 100), "{waits:?}");
    }
}

#[test]
fn a_server_from_which_nothing_comes_is_given_up_after_a_few_attempts() {
    let script = cutting(0);
    let (client, pace) = script.client();
    let error = client.content(digest(), Some(length())).expect_err("nothing comes").to_string();
    assert!(error.starts_with(&format!("no answer from {}: ", script.url)), "{error}");
    assert_eq!(script.requests(), pace::ATTEMPTS as usize);
    let waits = pace.waits.lock().expect("no panic");
    assert_eq!(waits.iter().map(Duration::as_millis).collect::<Vec<_>>(), [100, 200, 400, 800]);
}

#[test]
fn a_server_that_ignores_ranges_starts_again_from_the_beginning() {
    let script = Script::of(|count, _| {
        let all = format!("200 OK\r\ncontent-length: {}", CONTENT.len());
        answer(&all, if count == 0 { &CONTENT[..9] } else { CONTENT })
    });
    assert_eq!(script.client().0.content(digest(), Some(length())).expect("the second time"), CONTENT);
    assert_eq!(script.requests(), 2);
}

#[test]
fn pieces_that_do_not_fit_together_are_fetched_again_as_one() {
    let script = Script::of(|count, _| match count {
        0 => answer(&format!("200 OK\r\ncontent-length: {}", CONTENT.len()), b"other"),
        1 => answer(
            &format!("206 Partial Content\r\ncontent-range: bytes 5-{0}/{0}", CONTENT.len()),
            &CONTENT[5..],
        ),
        _ => answer(&format!("200 OK\r\ncontent-length: {}", CONTENT.len()), CONTENT),
    });
    assert_eq!(script.client().0.content(digest(), Some(length())).expect("as one"), CONTENT);
    assert_eq!(script.requests(), 3);
}

/// The error of fetching the file from a server that always answers so, and how often it was asked.
fn refused(reply: Vec<u8>) -> (String, usize) {
    let script = Script::of(move |_, _| reply.clone());
    let error = script.client().0.content(digest(), Some(length())).expect_err("refused").to_string();
    (error.replace(&script.url, "URL"), script.requests())
}

#[test]
fn what_a_hostile_server_sends_is_refused_at_once_with_the_reason() {
    let said = |what: &str| (format!("URL does not answer as a registry: {what}"), 1);
    let same_length = vec![b'x'; CONTENT.len()];
    assert_eq!(
        refused(answer("200 OK", &same_length)),
        (format!("URL sends something else for {}: its digest is {}", digest(), Digest::of(&same_length)), 1)
    );
    // Without an end, and with a length that lies in either direction.
    let endless = answer("200 OK", &vec![b'x'; 1 << 20]);
    assert_eq!(refused(endless), said(&format!("it sends more than {} bytes", CONTENT.len())));
    assert_eq!(
        refused(answer("200 OK\r\ncontent-length: 99999999999", CONTENT)),
        said(&format!("it has 99999999999 bytes for {}, which has at most {} more", digest(), CONTENT.len()))
    );
    let (short, attempts) = refused(answer("200 OK\r\ncontent-length: 3", &CONTENT[..3]));
    assert!(short.starts_with("no answer from URL: "), "{short}");
    assert_eq!(attempts, pace::ATTEMPTS as usize, "the same three bytes again are no progress");
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let elsewhere = answer(&format!("{status}\r\nlocation: http://169.254.169.254/x"), b"");
        assert_eq!(refused(elsewhere).1, 1, "{status}");
    }
    assert_eq!(
        refused(answer("302 Found\r\nlocation: http://169.254.169.254/x", b"")),
        said("it sends elsewhere, to `http://169.254.169.254/x`")
    );
    assert_eq!(
        refused(answer("206 Partial Content\r\ncontent-range: bytes 5-9/10", CONTENT)),
        said("asked for a file, it answers with status 206 Partial Content")
    );
    let (text, _) = refused(answer("418 Teapot", "<h1>\x1b[31mno\u{7}!".as_bytes()));
    assert_eq!(text, "URL does not answer as a registry: HTTP status 418 I'm a teapot: <h1> [31mno !");
    assert_eq!(
        refused(answer("404 Not Found", &problem(404))).0,
        format!("the registry has no file {}", digest())
    );
}

fn problem(status: u16) -> Vec<u8> {
    format!(
        "{{\"type\":\"about:blank\",\"status\":{status},\"title\":\"No\",\"detail\":\"not now\",\"code\":\"x\",\"hint\":\"wait\"}}"
    )
    .into_bytes()
}

#[test]
fn a_part_that_begins_elsewhere_is_refused() {
    let script = Script::of(|count, _| match count {
        0 => answer(&format!("200 OK\r\ncontent-length: {}", CONTENT.len()), &CONTENT[..9]),
        _ => {
            answer(&format!("206 Partial Content\r\ncontent-range: bytes 0-{0}/{0}", CONTENT.len()), CONTENT)
        }
    });
    let error = script.client().0.content(digest(), Some(length())).expect_err("refused").to_string();
    assert!(error.contains("asked for bytes from 9 on, it sends `bytes 0-"), "{error}");
}

#[test]
fn only_what_may_pass_is_tried_again() {
    let asked = |status: &'static str, code: u16| {
        let script = Script::of(move |count, _| match count {
            0 => answer(status, &problem(code)),
            _ => answer("200 OK", b"{\"releases\":[]}"),
        });
        let (client, pace) = script.client();
        let outcome = client.list().map_err(|error| error.to_string());
        let waits = pace.waits.lock().expect("no panic").clone();
        (outcome.map(|list| list.len()), waits)
    };
    for (status, code) in [("503 Busy", 503), ("429 Busy", 429), ("500 Fault", 500), ("504 Late", 504)] {
        assert_eq!(asked(status, code), (Ok(0), vec![Duration::from_millis(100)]), "{status}");
    }
    assert_eq!(asked("503 Busy\r\nretry-after: 7", 503), (Ok(0), vec![Duration::from_secs(7)]));
    for (status, code) in
        [("400 No", 400), ("401 No", 401), ("403 No", 403), ("409 No", 409), ("413 No", 413)]
    {
        assert_eq!(asked(status, code), (Err("No: not now".to_owned()), vec![]), "{status}");
    }
    // Nobody listens there.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let pace = Arc::new(TestPace::default());
    let client = HttpRegistry::with_pace(&url, None, pace.clone()).expect("an address");
    assert!(matches!(client.list(), Err(RegistryError::NoAnswer { .. })));
    assert_eq!(pace.waits.lock().expect("no panic").len() + 1, pace::ATTEMPTS as usize);
}

#[test]
fn a_list_that_is_none_is_refused() {
    for body in ["", "[]", "{\"releases\":[{\"name\":\"../x\"}]}", "{\"releases\":1}"] {
        let script = Script::of(move |_, _| answer("200 OK", body.as_bytes()));
        let error = script.client().0.list().expect_err(body).to_string();
        assert!(
            error.starts_with(&format!("{} does not answer as a registry: its answer: ", script.url)),
            "{error}"
        );
    }
}

#[test]
fn what_is_no_address_of_a_registry_is_refused_with_the_reason() {
    let refused = |address: &str, token: Option<&str>| {
        let error = HttpRegistry::at(address, token.and_then(Token::of)).expect_err(address).to_string();
        let head = format!("`{address}` is no address of a registry: ");
        error.strip_prefix(&head).unwrap_or(&error).to_owned()
    };
    assert_eq!(refused("ftp://x", None), "it does not begin with https:// or http://");
    assert_eq!(refused("http://", None), "empty host");
    assert_eq!(refused("https://u:p@x", None), "it carries a user name or password");
    assert_eq!(refused("https://x/?a=b", None), "something stands behind its path");
    assert_eq!(
        refused("http://registry.example", Some(TOKEN)),
        "a token goes over https, or to this machine"
    );
    for (address, token) in [
        ("https://registry.example/a/b", Some(TOKEN)),
        ("http://registry.example", None),
        ("http://[::1]:1", Some(TOKEN)),
    ] {
        assert!(HttpRegistry::at(address, token.and_then(Token::of)).is_ok(), "{address}");
    }
    let client = HttpRegistry::at("https://x/a/", None).expect("an address");
    assert_eq!(client.url(&["releases"]).as_str(), "https://x/a/v1/releases");
}

#[test]
fn over_http_a_registry_does_what_a_folder_does() {
    let server = Server::start(Some(TOKEN));
    let client = server.client(Some(TOKEN));
    let (one, two) = (counter("shop", "1.0.0", "1.0.0", 0), counter("shop", "2.0.0", "2.0.0", 1));
    let first = send(&client, &one, None, stamp(), &mut |_, _| {}).expect("published");
    assert_eq!((first.new, first.sent.files, first.sent.files_total), (true, 3, 3));
    let mut steps = Vec::new();
    let second = send(&client, &two, Some(b"{}".to_vec()), stamp(), &mut |done, all| steps.push((done, all)));
    let second = second.expect("published");
    assert!(second.new);
    assert_eq!(steps.last(), Some(&(second.sent.bytes, second.sent.bytes)));
    let again = send(&client, &one, None, stamp(), &mut |_, _| {}).expect("published before");
    assert_eq!((again.new, again.sent.files), (false, 0));
    let other = send(&client, &counter("shop", "1.0.0", "1.0.0", 7), None, stamp(), &mut |_, _| {});
    let other = other.expect_err("another content").to_string();
    assert!(
        other.starts_with("The version is published already: shop 1.0.0 is published already, as "),
        "{other}"
    );
    let clash = send(&client, &counter("shop", "3.0.0", "1.0.0", 7), None, stamp(), &mut |_, _| {});
    let clash = clash.expect_err("another application").to_string();
    assert!(
        clash.ends_with("counter 1.0.0 is released in shop 1.0.0, and is something else there; bump it"),
        "{clash}"
    );

    let reader = server.client(None);
    let folder = server.folder();
    assert_eq!(reader.list().expect("readable"), folder.list().expect("readable"));
    let wanted: Wanted = "shop".parse().expect("a release");
    let have = [one.pack().expect("small").bytes];
    let pulled =
        pull(&reader, &wanted, |contents| crate::gather(contents, have), &mut |_, _| {}).expect("there");
    assert_eq!(pulled.archive, two.pack().expect("small").bytes);
    assert_eq!(pulled.signature, Some(b"{}".to_vec()));
    let name = "shop".parse().expect("a name");
    assert_eq!(reader.signature(&name, &"1.0.0".parse().expect("a version")).expect("readable"), None);

    let version = "2.0.0".parse().expect("a version");
    let marked = client.mark(&name, &version, Some(&yank())).expect("there").release.yanked.expect("yanked");
    assert_eq!((marked.reason, marked.stamp.by), (yank().reason, "ann".to_owned()));
    let app = "counter".parse().expect("a name");
    let found = find_app(&reader, &app, &"*".parse().expect("a range")).expect("readable");
    assert!(matches!(found, crate::AppSearch::Found(found) if found.version.to_string() == "1.0.0"));
    client.mark(&name, &version, None).expect("there");
    assert_eq!(
        wanted.choose(reader.releases(&name).expect("readable")).expect("there").release.version,
        version
    );
    let refused = reader.mark(&name, &version, None).expect_err("no token").to_string();
    assert_eq!(refused, "Who writes has to show a token: the request has no Authorization");
    assert_eq!(folder.verify(|_| {}).expect("readable").faults, vec![]);
}

#[test]
fn a_file_that_is_damaged_on_the_server_is_not_taken() {
    let server = Server::start(Some(TOKEN));
    let bundle = counter("shop", "1.0.0", "1.0.0", 0);
    send(&server.client(Some(TOKEN)), &bundle, None, stamp(), &mut |_, _| {}).expect("published");
    let code = bundle.manifest().files.values().next().expect("a file");
    let (path, _) = server.folder().locate(code.sha256).expect("readable").expect("there");
    let mut bytes = std::fs::read(&path).expect("readable");
    bytes[0] ^= 1;
    std::fs::write(&path, &bytes).expect("writable");
    let wanted: Wanted = "shop".parse().expect("a release");
    let error =
        pull(&server.client(None), &wanted, |_| BTreeMap::new(), &mut |_, _| {}).expect_err("damaged");
    let found = Digest::of(&bytes);
    assert_eq!(
        error.to_string(),
        format!("{} sends something else for {}: its digest is {found}", server.url, code.sha256)
    );
}

#[test]
fn over_https_the_first_byte_is_that_of_a_handshake_and_no_token_is_sent_in_the_clear() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut seen = [0; 4096];
        let count = stream.read(&mut seen).expect("bytes");
        seen[..count].to_vec()
    });
    let pace = Arc::new(TestPace::default());
    let client = HttpRegistry::with_pace(&url, Token::of(TOKEN), pace).expect("an address");
    // The server is gone after the first attempt, and never spoke TLS.
    assert!(matches!(client.list(), Err(RegistryError::NoAnswer { .. })));
    let seen = server.join().expect("no panic");
    assert_eq!(seen[0], 0x16, "RFC 8446, 5.1: a record of the handshake");
    assert!(!seen.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes()));
}
