//! On maps and options. `m` is the map, `k` a key, `v` a value; `o` the option, `x` its value.

use super::{On, Standard};

const fn map(
    form: &'static str,
    gives: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Standard {
    Standard::basic(On::Map, form, gives, examples)
}

const fn option(
    form: &'static str,
    gives: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Standard {
    Standard::basic(On::Option, form, gives, examples)
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

pub(super) const MAP: &[Standard] = &[
    map("m.len()", "the number of entries", &[("[1: 7, 2: 8].len()", "2")]),
    map("m.is_empty()", "true without entries", &[("[1: 7].is_empty()", "false")]),
    map(
        "m.get(k)",
        "the value of a key; also `m[k]`",
        &[("[1: 7].get(1)", "Some(7)"), ("[1: 7][2]", "None")],
    ),
    defined(
        On::Map,
        "m.get_or(k, v)",
        "the value of a key; v where there is no such key",
        "match m[k] { Some(found) => found, None => v }",
        &[("[1: 7].get_or(1, 0)", "7"), ("[1: 7].get_or(2, 0)", "0")],
    ),
    defined(
        On::Map,
        "m.has(k)",
        "true when there is such a key",
        "m[k].is_some()",
        &[("[1: 7].has(1)", "true")],
    ),
    map("m.put(k, v)", "the map with a key set", &[("[1: 7].put(2, 8)", "[1: 7, 2: 8]")]),
    defined(
        On::Map,
        "m.update(k, v -> e)",
        "the map with e of the value of a key; the same map where there is no such key",
        "match m[k] { Some(v) => m.put(k, e(v)), None => m }",
        &[("[1: 7].update(1, v -> v + 1)", "[1: 8]"), ("[1: 7].update(2, v -> v + 1)", "[1: 7]")],
    ),
    defined(
        On::Map,
        "m.update_or(k, start, v -> e)",
        "the map with e of the value of a key, or of start where there is no such key",
        "m.put(k, e(m[k].or(start)))",
        &[
            ("[1: 7].update_or(1, 0, v -> v + 1)", "[1: 8]"),
            ("[1: 7].update_or(2, 0, v -> v + 1)", "[1: 7, 2: 1]"),
        ],
    ),
    map("m.remove(k)", "the map without a key", &[("[1: 7, 2: 8].remove(1)", "[2: 8]")]),
    defined(
        On::Map,
        "m.merge(m2)",
        "the entries of both; of two with the same key that of m2",
        "m2.fold(m, (both, k, v) -> both.put(k, v))",
        &[("[1: 7, 2: 8].merge([2: 9])", "[1: 7, 2: 9]")],
    ),
    map(
        "m.entries()",
        "the entries as pairs, in key order",
        &[("[2: 8, 1: 7].entries()", "[(1, 7), (2, 8)]")],
    ),
    map("m.keys()", "the keys, in order", &[("[2: 8, 1: 7].keys()", "[1, 2]")]),
    map("m.values()", "the values, in key order", &[("[2: 8, 1: 7].values()", "[7, 8]")]),
    map(
        "m.first()",
        "the entry with the least key",
        &[("[2: 8, 1: 7].first()", "Some((1, 7))"), ("[1: 7].remove(1).first()", "None")],
    ),
    map("m.last()", "the entry with the greatest key", &[("[2: 8, 1: 7].last()", "Some((2, 8))")]),
    map(
        "m.map((k, v) -> e)",
        "the same keys with e for each value",
        &[("[1: 7].map((k, v) -> k + v)", "[1: 8]")],
    ),
    defined(
        On::Map,
        "m.map_keys((k, v) -> e)",
        "the same values with e for each key; of two with the same key the later one stays",
        "m.entries().map(((k, v)) -> (e(k, v), v)).to_map()",
        &[("[1: 7].map_keys((k, _) -> k.show())", "[\"1\": 7]")],
    ),
    map(
        "m.filter((k, v) -> c)",
        "the entries for which c holds",
        &[("[1: 7, 2: 8].filter((k, v) -> v > 7)", "[2: 8]")],
    ),
    map(
        "m.filter_map((k, v) -> o)",
        "the keys whose o holds something, with that",
        &[("[1: \"7\", 2: \"x\"].filter_map((_, v) -> v.parse())", "[1: 7]")],
    ),
    defined(
        On::Map,
        "m.find((k, v) -> c)",
        "the first entry for which c holds",
        "m.entries().find(((k, v)) -> c(k, v))",
        &[("[1: 7, 2: 8].find((_, v) -> v > 7)", "Some((2, 8))")],
    ),
    map(
        "m.any((k, v) -> c)",
        "true when c holds for an entry",
        &[("[1: 7].any((k, v) -> v > 7)", "false"), ("[1: 7, 2: 8].any((k, v) -> v > 7)", "true")],
    ),
    map(
        "m.all((k, v) -> c)",
        "true when c holds for every entry",
        &[("[1: 7].all((k, v) -> v > 6)", "true"), ("[1: 7, 2: 8].all((k, v) -> v > 7)", "false")],
    ),
    defined(
        On::Map,
        "m.count((k, v) -> c)",
        "the number of entries for which c holds",
        "m.fold(0, (n, k, v) -> if c(k, v) { n + 1 } else { n })",
        &[("[1: 7, 2: 8].count((_, v) -> v > 7)", "1")],
    ),
    map(
        "m.fold(start, (acc, k, v) -> e)",
        "e of what was folded so far and each entry, in key order",
        &[("[1: 7, 2: 8].fold(0, (acc, k, v) -> acc + k * v)", "23")],
    ),
];

pub(super) const OPTION: &[Standard] = &[
    option("o.is_some()", "true for Some", &[("Some(7).is_some()", "true")]),
    option("o.is_none()", "true for None", &[("Some(7).is_none()", "false")]),
    option(
        "o.or(x)",
        "its value; else x, which is computed only then",
        &[("Some(7).or(0)", "7"), ("\"x\".parse().or(0)", "0"), ("Some(7).or(fail \"none\")", "7")],
    ),
    option(
        "o.or_else(o2)",
        "itself where it holds a value; else o2, which is computed only then",
        &[("Some(7).or_else(Some(8))", "Some(7)"), ("\"x\".parse().or_else(Some(8))", "Some(8)")],
    ),
    option("o.map(x -> e)", "Some(e) of its value, else None", &[("Some(7).map(x -> x > 5)", "Some(true)")]),
    option(
        "o.and_then(x -> o2)",
        "the o2 of its value, else None",
        &[
            ("Some(\"7\").and_then(x -> x.parse())", "Some(7)"),
            ("Some(\"x\").and_then(x -> x.parse())", "None"),
        ],
    ),
    defined(
        On::Option,
        "o.filter(x -> c)",
        "itself where c holds for its value, else None",
        "match o { Some(x) => if c(x) { o } else { None }, None => None }",
        &[("Some(7).filter(x -> x > 5)", "Some(7)"), ("Some(3).filter(x -> x > 5)", "None")],
    ),
    defined(
        On::Option,
        "o.to_list()",
        "a list of its value, or an empty one",
        "match o { Some(x) => [x], None => [] }",
        &[("Some(7).to_list()", "[7]"), ("\"x\".parse().to_list()", "[]")],
    ),
];
