//! On texts and bytes. `t` is the text, `b` the bytes; indices count scalar values and octets.

use super::{On, Standard};

const fn text(
    form: &'static str,
    gives: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Standard {
    Standard::basic(On::Text, form, gives, examples)
}

const fn bytes(
    form: &'static str,
    gives: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Standard {
    Standard::basic(On::Bytes, form, gives, examples)
}

const fn defined(
    on: On,
    form: &'static str,
    gives: &'static str,
    definition: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Standard {
    Standard::defined(on, form, gives, definition, examples)
}

pub(super) const TEXT: &[Standard] = &[
    text("t.len()", "the number of letters (Unicode scalar values)", &[("\"añ\".len()", "2")]),
    text("t.is_empty()", "true for \"\"", &[("\"a\".is_empty()", "false")]),
    text(
        "t.slice(from, to)",
        "the letters from an index up to, and without, another",
        &[("\"señal\".slice(1, 3)", "\"eñ\""), ("\"ab\".slice(1, 9)", "\"b\"")],
    ),
    defined(On::Text, "t.take(n)", "the first n letters", "t.slice(0, n)", &[("\"añb\".take(2)", "\"añ\"")]),
    defined(
        On::Text,
        "t.drop(n)",
        "all but the first n letters",
        "t.slice(n, t.len())",
        &[("\"añb\".drop(1)", "\"ñb\"")],
    ),
    text(
        "t.index_of(t2)",
        "where t2 first stands in it",
        &[("\"señal\".index_of(\"ña\")", "Some(2)"), ("\"ab\".index_of(\"x\")", "None")],
    ),
    defined(
        On::Text,
        "t.contains(t2)",
        "true when t2 stands in it",
        "t.index_of(t2).is_some()",
        &[("\"abc\".contains(\"bc\")", "true")],
    ),
    defined(
        On::Text,
        "t.starts_with(t2)",
        "true when it begins with t2",
        "t.slice(0, t2.len()) == t2",
        &[("\"abc\".starts_with(\"ab\")", "true"), ("\"a\".starts_with(\"ab\")", "false")],
    ),
    defined(
        On::Text,
        "t.ends_with(t2)",
        "true when it ends in t2",
        "t.drop(t.len() - t2.len()) == t2",
        &[("\"abc\".ends_with(\"bc\")", "true"), ("\"c\".ends_with(\"bc\")", "false")],
    ),
    text(
        "t.split(t2)",
        "the parts between which t2 stands; by \"\", its letters",
        &[("\"a, b, \".split(\", \")", "[\"a\", \"b\", \"\"]"), ("\"\".split(\",\")", "[\"\"]")],
    ),
    defined(On::Text, "t.chars()", "its letters", "t.split(\"\")", &[("\"añ\".chars()", "[\"a\", \"ñ\"]")]),
    defined(
        On::Text,
        "t.replace(t2, t3)",
        "itself with t3 for each t2; without change for an empty t2",
        "if t2.is_empty() { t } else { t.split(t2).join(t3) }",
        &[("\"a-b-c\".replace(\"-\", \"+\")", "\"a+b+c\""), ("\"ab\".replace(\"\", \"x\")", "\"ab\"")],
    ),
    text("t.trim()", "itself without ASCII white space at both ends", &[("\" a b\\n\".trim()", "\"a b\"")]),
    text(
        "t.trim_start()",
        "itself without ASCII white space at the start",
        &[("\" a \".trim_start()", "\"a \"")],
    ),
    text("t.trim_end()", "itself without ASCII white space at the end", &[("\" a \".trim_end()", "\" a\"")]),
    text(
        "t.to_upper()",
        "itself with the letters a to z as capitals; all others stay",
        &[("\"añ1\".to_upper()", "\"Añ1\"")],
    ),
    text(
        "t.to_lower()",
        "itself with the capitals A to Z as small letters; all others stay",
        &[("\"AÑ1\".to_lower()", "\"aÑ1\"")],
    ),
    defined(
        On::Text,
        "t.repeat(n)",
        "itself n times",
        "[t].repeat(n).join(\"\")",
        &[("\"ab\".repeat(3)", "\"ababab\"")],
    ),
    defined(
        On::Text,
        "t.pad_start(n, t2)",
        "itself after as many letters of t2, again and again, as make it n letters long",
        "{ let missing = n.max(0) - t.len()
           t2.repeat(missing).take(missing) ++ t }",
        &[("\"7\".pad_start(3, \"0\")", "\"007\""), ("\"777\".pad_start(2, \"0\")", "\"777\"")],
    ),
    defined(
        On::Text,
        "t.pad_end(n, t2)",
        "itself before as many letters of t2, again and again, as make it n letters long",
        "{ let missing = n.max(0) - t.len()
           t ++ t2.repeat(missing).take(missing) }",
        &[("\"ab\".pad_end(5, \"-.\")", "\"ab-.-\"")],
    ),
    text(
        "t.parse()",
        "the Int that it writes exactly as `show` does",
        &[("\"-12\".parse()", "Some(-12)"), ("\"012\".parse()", "None")],
    ),
    text("t.to_bytes()", "its UTF-8", &[("\"ñ\".to_bytes().to_hex()", "\"c3b1\"")]),
    defined(
        On::Text,
        "t.parse_hex()",
        "the Bytes that it writes, two hexadecimal digits each",
        "{ let digits = t.to_lower().chars().filter_map(letter -> \"0123456789abcdef\".index_of(letter))
           if digits.len() == t.len() && t.len() % 2 == 0 {
             digits.chunks(2).map(two -> two.fold(0, (n, digit) -> n * 16 + digit)).to_bytes()
           } else { None } }",
        &[
            ("\"C3b1\".parse_hex()", "Some(\"ñ\".to_bytes())"),
            ("\"c3b\".parse_hex()", "None"),
            ("\"xx\".parse_hex()", "None"),
            ("\"\".parse_hex()", "Some(\"\".to_bytes())"),
        ],
    ),
];

pub(super) const BYTES: &[Standard] = &[
    bytes("b.len()", "the number of octets", &[("\"ñ\".to_bytes().len()", "2")]),
    bytes("b.is_empty()", "true without octets", &[("\"\".to_bytes().is_empty()", "true")]),
    defined(
        On::Bytes,
        "b.get(i)",
        "the octet at an index, as an Int",
        "if i >= 0 && i < b.len() { b.slice(i, i + 1).to_list()[0] } else { None }",
        &[
            ("\"hi\".to_bytes().get(1)", "Some(105)"),
            ("\"hi\".to_bytes().get(2)", "None"),
            ("\"hi\".to_bytes().get(-1)", "None"),
        ],
    ),
    bytes(
        "b.slice(from, to)",
        "the octets from an index up to, and without, another",
        &[("\"abcd\".to_bytes().slice(1, 3)", "\"bc\".to_bytes()")],
    ),
    defined(
        On::Bytes,
        "b.take(n)",
        "the first n octets",
        "b.slice(0, n)",
        &[("\"abc\".to_bytes().take(2)", "\"ab\".to_bytes()")],
    ),
    defined(
        On::Bytes,
        "b.drop(n)",
        "all but the first n octets",
        "b.slice(n, b.len())",
        &[("\"abc\".to_bytes().drop(2)", "\"c\".to_bytes()")],
    ),
    bytes("b.to_list()", "its octets, as Ints", &[("\"hi\".to_bytes().to_list()", "[104, 105]")]),
    bytes(
        "b.to_text()",
        "the Text of which it is the UTF-8, if it is",
        &[("\"ñ\".to_bytes().to_text()", "Some(\"ñ\")"), ("\"ñ\".to_bytes().take(1).to_text()", "None")],
    ),
    defined(
        On::Bytes,
        "b.to_hex()",
        "its octets in hexadecimal, two small digits each",
        "b.to_list().map(n -> \"0123456789abcdef\".slice(n / 16, n / 16 + 1) ++ \"0123456789abcdef\".slice(n % 16, n % 16 + 1)).join(\"\")",
        &[("\"\\n\\\"z\".to_bytes().to_hex()", "\"0a227a\"")],
    ),
];
