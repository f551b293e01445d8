use std::path::Path;
use std::time::Duration;

use super::*;

#[test]
fn every_status_says_one_thing() {
    for (status, expected) in [
        (100, Verdict::Refused),
        (101, Verdict::Refused),
        (200, Verdict::Taken),
        (204, Verdict::Taken),
        (299, Verdict::Taken),
        (301, Verdict::Refused),
        (304, Verdict::Refused),
        (400, Verdict::Refused),
        (404, Verdict::Refused),
        (408, Verdict::Again),
        (410, Verdict::Refused),
        (425, Verdict::Again),
        (429, Verdict::Again),
        (499, Verdict::Refused),
        (500, Verdict::Again),
        (501, Verdict::Again),
        (503, Verdict::Again),
        (599, Verdict::Again),
        (600, Verdict::Refused),
        (999, Verdict::Refused),
    ] {
        assert_eq!(verdict(status), expected, "{status}");
    }
}

/// A row that an earlier one hides says nothing.
#[test]
fn every_rule_holds_of_some_status() {
    for (index, rule) in RULES.iter().enumerate() {
        let hidden =
            |status: u16| RULES[..index].iter().any(|rule| (rule.first..=rule.last).contains(&status));
        assert!((rule.first..=rule.last).any(|status| !hidden(status)), "{rule:?}");
    }
}

#[test]
fn a_rest_is_seconds_or_a_date() {
    // Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
    let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
    let rest = |text| rest_ms(503, Some(text), now);
    assert_eq!(rest("0"), Some(0));
    assert_eq!(rest(" 120 "), Some(120_000));
    assert_eq!(rest("99999999999999999999999"), Some(u64::MAX));
    assert_eq!(rest("Sun, 06 Nov 1994 08:50:07 GMT"), Some(30_000));
    assert_eq!(rest("Sunday, 06-Nov-94 08:49:38 GMT"), Some(1000));
    // What has passed is no rest.
    assert_eq!(rest("Sun, 06 Nov 1994 08:49:36 GMT"), Some(0));
    for unreadable in ["", "-1", "1.5", "soon", "+3"] {
        assert_eq!(rest(unreadable), None, "{unreadable}");
    }
    assert_eq!(rest_ms(429, Some("2"), now), Some(2000));
    // With no other status does it say when to try again.
    for status in [200, 301, 400, 408, 425, 500, 502, 504] {
        assert_eq!(rest_ms(status, Some("2"), now), None, "{status}");
    }
    assert_eq!(rest_ms(503, None, now), None);
}

#[test]
fn what_a_receiver_says_is_shown_in_one_short_line() {
    assert_eq!(shown(400, b""), "status 400");
    assert_eq!(shown(400, b" \r\n\0"), "status 400");
    assert_eq!(shown(400, b"no such\n\n\x1b[31mletter"), "status 400: no such [31mletter");
    assert_eq!(shown(400, b"a\xffb"), "status 400: a\u{fffd}b");
    let long = "é".repeat(SHOWN_MAX + 1);
    assert_eq!(shown(500, long.as_bytes()), format!("status 500: {}...", "é".repeat(SHOWN_MAX)));
    assert_eq!(one_line(&"é".repeat(SHOWN_MAX)), "é".repeat(SHOWN_MAX));
}

/// The table of statuses in `docs/ports.md`; `UPDATE_EXPECT=1` writes it anew.
#[test]
fn the_page_has_every_rule() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ports.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let rows = RULES.iter().map(|rule| {
        let statuses = match (rule.first, rule.last) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first} to {last}"),
        };
        let verdict = match rule.verdict {
            Verdict::Taken => "delivered, or answered",
            Verdict::Again => "again",
            Verdict::Refused => "given up at once",
        };
        format!("| {statuses} | {verdict} | {} |\n", rule.why)
    });
    let table =
        format!("| status | what becomes of the call | why |\n|---|---|---|\n{}", rows.collect::<String>());
    let (begin, end) = ("<!-- begin statuses -->\n", "<!-- end statuses -->");
    let (head, rest) = page.split_once(begin).expect("the mark where the table begins");
    let (found, tail) = rest.split_once(end).expect("the mark where it ends");
    if found != table && std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, format!("{head}{begin}{table}{end}{tail}")).expect("writable");
        return;
    }
    assert_eq!(found, table, "run with UPDATE_EXPECT=1 to write it anew");
}
