use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use camshaft_cam::digest::Digest;
use camshaft_releases::bundle::Bundle;
use reqwest::blocking::{Client, RequestBuilder, Response};

use super::problem::{PROBLEM_TYPE, Problem};
use crate::send;
use crate::source::Registry as _;
use crate::testing::{Server, TOKEN, counter, stamp};

fn served() -> (Server, Bundle) {
    let server = Server::start(Some(TOKEN));
    let bundle = counter("shop", "1.0.0", "1.0.0", 0);
    send(&server.folder(), &bundle, Some(b"{\"signed\":1}".to_vec()), stamp(), &mut |_, _| {})
        .expect("published");
    (server, bundle)
}

fn get(server: &Server, path: &str) -> RequestBuilder {
    Client::new().get(format!("{}{path}", server.url))
}

fn ask(request: RequestBuilder) -> Response {
    request.send().expect("an answer")
}

/// The status, code and detail of a refusal; every one of them is a problem.
fn refused(request: RequestBuilder) -> (u16, String, String) {
    let response = ask(request);
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], PROBLEM_TYPE);
    let problem: Problem = response.json().expect("a problem");
    assert_eq!(problem.status, status);
    (status, problem.code, problem.detail)
}

fn code(request: RequestBuilder) -> String {
    let (status, code, _) = refused(request);
    format!("{status} {code}")
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().expect("text").to_owned()).unwrap_or_default()
}

#[test]
fn a_file_is_given_whole_in_part_and_not_again_to_who_has_it() {
    let (server, bundle) = served();
    let digest = bundle.digest();
    let path = format!("/v1/blobs/{digest}");
    let whole = ask(get(&server, &path));
    let tag = format!("\"{digest}\"");
    assert_eq!((whole.status().as_u16(), header(&whole, "etag")), (200, tag.clone()));
    assert_eq!(header(&whole, "accept-ranges"), "bytes");
    let content = whole.bytes().expect("a body");
    assert_eq!(Digest::of(&content), digest);

    let size = content.len();
    let part = ask(get(&server, &path).header("range", "bytes=5-9"));
    assert_eq!((part.status().as_u16(), header(&part, "content-range")), (206, format!("bytes 5-9/{size}")));
    assert_eq!(part.bytes().expect("a body"), content[5..10]);
    let rest = ask(get(&server, &path).header("range", "bytes=5-").header("if-range", &tag));
    assert_eq!(rest.bytes().expect("a body"), content[5..]);
    let other = ask(get(&server, &path).header("range", "bytes=5-").header("if-range", "\"other\""));
    assert_eq!((other.status().as_u16(), other.bytes().expect("a body").len()), (200, size));
    let outside = ask(get(&server, &path).header("range", format!("bytes={size}-")));
    assert_eq!(
        (outside.status().as_u16(), header(&outside, "content-range")),
        (416, format!("bytes */{size}"))
    );

    let known = ask(get(&server, &path).header("if-none-match", &tag));
    assert_eq!((known.status().as_u16(), known.bytes().expect("a body").len()), (304, 0));
    let head = ask(Client::new().head(format!("{}{path}", server.url)));
    assert_eq!((head.status().as_u16(), header(&head, "content-length")), (200, size.to_string()));

    let list = ask(get(&server, "/v1/releases"));
    let known = ask(get(&server, "/v1/releases").header("if-none-match", header(&list, "etag")));
    assert_eq!(known.status().as_u16(), 304);
    let signature = ask(get(&server, "/v1/releases/shop/1.0.0/signature"));
    assert_eq!(signature.text().expect("a body"), "{\"signed\":1}");
}

#[test]
fn no_path_of_a_client_leads_out_of_the_registry() {
    let (server, _) = served();
    std::fs::write(server.root.path().join("secret"), "secret").expect("writable");
    let tuf = server.root.path().join("tuf");
    std::fs::create_dir_all(tuf.join("deep")).expect("writable");
    std::fs::write(tuf.join("1.root.json"), "{}").expect("writable");
    std::fs::write(tuf.join("deep/x.json"), "[]").expect("writable");
    std::fs::write(tuf.join(".hidden"), "x").expect("writable");
    #[cfg(unix)]
    std::os::unix::fs::symlink(server.root.path().join("secret"), tuf.join("link")).expect("a link");
    assert_eq!(ask(get(&server, "/v1/tuf/1.root.json")).text().expect("a body"), "{}");
    assert_eq!(ask(get(&server, "/v1/tuf/deep/x.json")).text().expect("a body"), "[]");
    for path in [
        "/v1/tuf/%2e%2e/secret",
        "/v1/tuf/..%2fsecret",
        "/v1/tuf/%2fetc%2fpasswd",
        "/v1/tuf/deep/%2e%2e%2f%2e%2e%2fsecret",
        "/v1/tuf/.hidden",
        "/v1/tuf/link",
        "/v1/tuf/deep",
        "/v1/tuf/none.json",
        "/v1/tuf/1.root.json%00",
        "/v1/blobs/..%2f..%2fsecret",
        "/v1/blobs/sha256:..%2f..%2fsecret",
        "/v1/blobs/sha256:00",
        "/v1/releases/..%2f..%2fsecret",
        "/v1/releases/shop/..%2f..%2f..%2fsecret",
        "/v1/releases/shop/1.0.0%2f..%2f1.0.0",
        "/v1/releases/%2e%2e/secret/signature",
        "/v1/releases/shop/9.9.9",
        "/v1/releases/shop/9.9.9/signature",
        "/v1/apps/..%2fsecret",
        "/secret",
        "/",
    ] {
        assert_eq!(code(get(&server, path)), "404 not-found", "{path}");
    }
    assert_eq!(code(get(&server, "/v1/releases/%ff")), "400 bad-request");
}

#[test]
fn a_request_of_a_web_page_or_for_another_host_is_refused() {
    let (server, _) = served();
    let origin = get(&server, "/v1/releases").header("origin", "http://127.0.0.1");
    assert_eq!(code(origin), "403 foreign-origin");
    assert_eq!(code(get(&server, "/v1/releases").header("host", "registry.example")), "403 foreign-origin");
}

#[test]
fn nothing_is_written_without_the_token() {
    let (server, bundle) = served();
    let client = Client::new();
    let digest = Digest::of(b"x");
    let blob = format!("{}/v1/blobs/{digest}", server.url);
    let release = format!("{}/v1/releases/shop/2.0.0?digest={}", server.url, bundle.digest());
    let yank = format!("{}/v1/releases/shop/1.0.0/yank", server.url);
    let missing = format!("{}/v1/blobs/missing", server.url);
    let all = || {
        [
            client.put(&blob).body("x"),
            client.put(&release),
            client.put(&yank).body("{\"reason\":\"x\"}"),
            client.delete(&yank),
            client.post(&missing).body("{\"contents\":{}}"),
        ]
    };
    for request in all() {
        assert_eq!(code(request), "401 no-token");
    }
    for request in all() {
        assert_eq!(code(request.bearer_auth("0123456789abcdeF")), "401 wrong-token");
    }
    let closed = Server::start(None);
    let put = client.put(format!("{}/v1/blobs/{digest}", closed.url)).bearer_auth(TOKEN).body("x");
    assert_eq!(code(put), "403 read-only");
    assert_eq!(server.folder().list().expect("readable").len(), 1);
    assert!(server.folder().locate(digest).expect("readable").is_none());
    let asks = ask(client.put(&blob).body("x"));
    assert_eq!(header(&asks, "www-authenticate"), "Bearer");
}

#[test]
fn what_is_sent_is_what_its_digest_says_and_within_the_limits() {
    let (server, bundle) = served();
    let client = Client::new();
    let put = |digest: Digest, body: Vec<u8>| {
        client.put(format!("{}/v1/blobs/{digest}", server.url)).bearer_auth(TOKEN).body(body)
    };
    let (status, code_, detail) = refused(put(Digest::of(b"x"), b"y".to_vec()));
    assert_eq!((status, code_.as_str()), (400, "wrong-digest"));
    assert_eq!(detail, format!("the digest of what came is {}", Digest::of(b"y")));
    assert_eq!(ask(put(Digest::of(b"x"), b"x".to_vec())).status().as_u16(), 204);

    let release = |query: &str| {
        let url = format!("{}/v1/releases/shop/2.0.0{query}", server.url);
        client.put(url).bearer_auth(TOKEN).header("camshaft-operator", "ann")
    };
    assert_eq!(code(release("")), "400 bad-request");
    assert_eq!(code(release("?digest=../x")), "400 bad-request");
    assert_eq!(code(release(&format!("?digest={}", Digest::of(b"none")))), "409 lacks-files");
    assert_eq!(code(release(&format!("?digest={}", Digest::of(b"x")))), "400 bad-release");
    let (_, _, detail) = refused(release(&format!("?digest={}", bundle.digest())));
    assert_eq!(detail, "the bundle is shop 1.0.0, not shop 2.0.0");
    let signed = release(&format!("?digest={}", bundle.digest())).body(vec![b'x'; (1 << 20) + 1]);
    assert_eq!(code(signed), "413 too-large");
    let who = release(&format!("?digest={}", bundle.digest())).header("camshaft-operator", "x".repeat(201));
    assert!(matches!(ask(who).status().as_u16(), 400));
    let missing = |body: &'static str| {
        client.post(format!("{}/v1/blobs/missing", server.url)).bearer_auth(TOKEN).body(body)
    };
    for body in ["", "{}", "{\"contents\":{\"x\":1}}", "{\"contents\":{},\"more\":1}"] {
        assert_eq!(code(missing(body)), "400 bad-request", "{body}");
    }
    let yank = client.put(format!("{}/v1/releases/shop/1.0.0/yank", server.url)).bearer_auth(TOKEN);
    assert_eq!(code(yank.body("{\"reason\":\" \"}")), "400 bad-request");
    let nothing = client.delete(format!("{}/v1/releases/shop/7.0.0/yank", server.url)).bearer_auth(TOKEN);
    assert_eq!(code(nothing), "404 not-found");
    let method = client.delete(format!("{}/v1/releases/shop/1.0.0", server.url)).bearer_auth(TOKEN);
    assert_eq!(code(method), "405 method-not-allowed");
    assert_eq!(server.folder().list().expect("readable").len(), 1);
}

/// Sends bytes as they are, closes its side, and returns what comes.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).expect("it listens");
    stream.write_all(bytes).expect("it takes them");
    stream.shutdown(std::net::Shutdown::Write).expect("open");
    let mut answer = String::new();
    // A server that hangs up has said enough.
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn an_upload_that_stops_half_way_or_never_ends_leaves_nothing_behind() {
    let (server, _) = served();
    let digest = Digest::of(b"xxxxxxxxxx");
    let head = |length: &str| {
        format!(
            "PUT /v1/blobs/{digest} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n{length}\r\n\r\n"
        )
    };
    raw(&server, format!("{}xxxxx", head("content-length: 10")).as_bytes());
    raw(&server, format!("{}5\r\nxxxxx\r\n", head("transfer-encoding: chunked")).as_bytes());
    assert!(server.folder().locate(digest).expect("readable").is_none());
    // Said or unsaid, too much is not read to its end.
    let large = raw(&server, head("content-length: 99999999999").as_bytes());
    assert!(large.is_empty() || large.starts_with("HTTP/1.1 4"), "{large}");
    let mut endless = head("transfer-encoding: chunked").into_bytes();
    let chunk = [b"100000\r\n".as_slice(), &vec![b'x'; 1 << 20], b"\r\n"].concat();
    for _ in 0..17 {
        endless.extend_from_slice(&chunk);
    }
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).expect("it listens");
    // It may hang up before all of it is sent.
    let _ = stream.write_all(&endless);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    let verified = server.folder().verify(|_| {}).expect("readable");
    assert_eq!((verified.faults, verified.unnamed, verified.leftovers), (vec![], 0, 0));
    assert_eq!(ask(get(&server, "/v1/releases")).status().as_u16(), 200);
}

#[test]
fn a_damaged_record_is_a_fault_that_tells_no_path() {
    let (server, _) = served();
    let record = server.root.path().join("releases/shop/1.0.0.toml");
    std::fs::write(record, "format = 1").expect("writable");
    let (status, code, detail) = refused(get(&server, "/v1/releases/shop"));
    assert_eq!((status, code.as_str()), (500, "damaged"));
    assert_eq!(detail, "the log of the registry says what");
}
