//! On lists. `l` is the list, `x` an item, `i` an index from 0, `c` a condition.

use super::{Items, On, Standard};

const fn basic(
    form: &'static str,
    gives: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Standard {
    Standard::basic(On::List, form, gives, examples)
}

const fn defined(
    form: &'static str,
    gives: &'static str,
    definition: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Standard {
    Standard::defined(On::List, form, gives, definition, examples)
}

pub(super) const LIST: &[Standard] = &[
    basic("l.len()", "the number of items", &[("[7, 8].len()", "2")]),
    basic("l.is_empty()", "true without items", &[("[7].is_empty()", "false")]),
    basic("l.get(i)", "the item at an index; also `l[i]`", &[("[7, 8].get(1)", "Some(8)"), ("[7][-1]", "None")]),
    defined("l.first()", "the first item, if there is one", "l[0]", &[("[7, 8].first()", "Some(7)")]),
    defined("l.last()", "the last item, if there is one", "l[l.len() - 1]", &[
        ("[7, 8].last()", "Some(8)"),
        ("[7].drop(1).last()", "None"),
    ]),
    basic("l.push(x)", "the list with one more item at its end", &[("[7].push(8)", "[7, 8]")]),
    basic("l.set(i, x)", "the list with another item at an index; the same list where there is none", &[
        ("[7, 8].set(1, 9)", "[7, 9]"),
        ("[7].set(1, 9)", "[7]"),
    ]),
    defined(
        "l.update(i, x -> e)",
        "the list with e of its item at an index; the same list where there is none",
        "match l[i] { Some(x) => l.set(i, e(x)), None => l }",
        &[("[7, 8].update(0, x -> x * 2)", "[14, 8]"), ("[7].update(5, x -> x * 2)", "[7]")],
    ),
    defined(
        "l.insert(i, x)",
        "the list with an item more before the one at an index; at an end where there is none",
        "l.take(i).push(x) ++ l.drop(i)",
        &[("[7, 8].insert(1, 9)", "[7, 9, 8]"), ("[7].insert(5, 9)", "[7, 9]"), ("[7].insert(-1, 9)", "[9, 7]")],
    ),
    defined(
        "l.remove_at(i)",
        "the list without the item at an index",
        "if i >= 0 && i < l.len() { l.take(i) ++ l.drop(i + 1) } else { l }",
        &[("[7, 8].remove_at(0)", "[8]"), ("[7].remove_at(1)", "[7]"), ("[7].remove_at(-1)", "[7]")],
    ),
    basic("l.take(n)", "the first n items", &[("[7, 8, 9].take(2)", "[7, 8]"), ("[7].take(-1)", "[]")]),
    basic("l.drop(n)", "all but the first n items", &[("[7, 8, 9].drop(2)", "[9]")]),
    basic("l.slice(from, to)", "the items from an index up to, and without, another", &[
        ("[6, 7, 8, 9].slice(1, 3)", "[7, 8]"),
        ("[7, 8].slice(1, 9)", "[8]"),
    ]),
    defined(
        "l.take_while(x -> c)",
        "the items before the first for which c does not hold",
        "l.take(l.find_index(x -> !c(x)).or(l.len()))",
        &[("[1, 2, 7, 1].take_while(x -> x < 5)", "[1, 2]"), ("[1].take_while(x -> x < 5)", "[1]")],
    ),
    defined(
        "l.drop_while(x -> c)",
        "the items from the first on for which c does not hold",
        "l.drop(l.find_index(x -> !c(x)).or(l.len()))",
        &[("[1, 2, 7, 1].drop_while(x -> x < 5)", "[7, 1]"), ("[1].drop_while(x -> x < 5)", "[]")],
    ),
    defined("l.reverse()", "the items, the last one first", "0.to(l.len()).filter_map(i -> l[l.len() - 1 - i])", &[(
        "[7, 8, 9].reverse()",
        "[9, 8, 7]",
    )]),
    basic("l.map(x -> e)", "e for each item", &[("[7, 8].map(x -> x > 7)", "[false, true]")]),
    basic("l.filter(x -> c)", "the items for which c holds", &[("[7, 8, 9].filter(x -> x > 7)", "[8, 9]")]),
    basic("l.filter_map(x -> o)", "what the o of each item holds, where it holds something", &[(
        "[\"7\", \"x\", \"9\"].filter_map(x -> x.parse())",
        "[7, 9]",
    )]),
    basic("l.flat_map(x -> l2)", "the items of the list for each item", &[(
        "[1, 2].flat_map(x -> [x, x * 10])",
        "[1, 10, 2, 20]",
    )]),
    basic("l.flatten()", "the items of its lists", &[("[[7], [], [8, 9]].flatten()", "[7, 8, 9]")]).of(Items::Lists),
    defined(
        "l.partition(x -> c)",
        "the items for which c holds, and the others",
        "l.fold((l.take(0), l.take(0)), ((yes, no), x) -> if c(x) { (yes.push(x), no) } else { (yes, no.push(x)) })",
        &[("[7, 1, 9].partition(x -> x > 5)", "([7, 9], [1])")],
    ),
    basic("l.find(x -> c)", "the first item for which c holds", &[
        ("[7, 8, 9].find(x -> x > 7)", "Some(8)"),
        ("[7].find(x -> x > 7)", "None"),
    ]),
    defined(
        "l.find_index(x -> c)",
        "the index of the first item for which c holds",
        "{ let i = 0.iterate_while(l.len(), i -> match l[i] { Some(x) => !c(x), None => false }, i -> i + 1)
           if i < l.len() { Some(i) } else { None } }",
        &[("[7, 8, 9].find_index(x -> x > 7)", "Some(1)"), ("[7].find_index(x -> x > 7)", "None")],
    ),
    defined("l.index_of(x)", "the index of the first item that equals x", "l.find_index(y -> y == x)", &[
        ("[7, 8, 8].index_of(8)", "Some(1)"),
        ("[7].index_of(8)", "None"),
    ]),
    defined("l.contains(x)", "true when an item equals x", "l.any(y -> y == x)", &[
        ("[7, 8].contains(8)", "true"),
        ("[7].contains(8)", "false"),
    ]),
    basic("l.any(x -> c)", "true when c holds for an item; looks no further than the first such", &[
        ("[7, 8].any(x -> x > 7)", "true"),
        ("[7].any(x -> x > 7)", "false"),
    ]),
    basic("l.all(x -> c)", "true when c holds for every item; looks no further than the first for which it does not", &[
        ("[7, 8].all(x -> x > 6)", "true"),
        ("[7, 8].all(x -> x > 7)", "false"),
    ]),
    defined("l.count(x -> c)", "the number of items for which c holds", "l.fold(0, (n, x) -> if c(x) { n + 1 } else { n })", &[
        ("[7, 8, 9].count(x -> x > 7)", "2"),
    ]),
    basic("l.fold(start, (acc, x) -> e)", "e of what was folded so far and each item, the first one first", &[(
        "[7, 8].fold(1, (acc, x) -> acc * 10 + x)",
        "178",
    )]),
    defined(
        "l.fold_while(start, (acc, x) -> c, (acc, x) -> e)",
        "a fold that ends before the first item for which c does not hold",
        "(start, 0).iterate_while(l.len(),
           ((acc, i)) -> match l[i] { Some(x) => c(acc, x), None => false },
           ((acc, i)) -> match l[i] { Some(x) => (e(acc, x), i + 1), None => (acc, i) }).0",
        &[("[7, 8, 9].fold_while(0, (sum, x) -> sum + x < 20, (sum, x) -> sum + x)", "15")],
    ),
    defined("l.sum()", "the sum of the Ints", "l.fold(0, (sum, x) -> sum + x)", &[
        ("[7, 8].sum()", "15"),
        ("[9223372036854775807, 1].sum()", "trap: integer overflow"),
    ])
    .of(Items::Ints),
    defined("l.sum()", "the sum of the Durations", "l.fold(0ms, (sum, x) -> sum + x)", &[(
        "[1s, 1m].sum()",
        "61s",
    )])
    .of(Items::Durations),
    defined(
        "l.min()",
        "the least item, the first of several",
        "l.fold(l[0], (least, x) -> match least { Some(y) => if x < y { Some(x) } else { least }, None => None })",
        &[("[8, 7, 9].min()", "Some(7)"), ("[\"b\", \"a\"].min()", "Some(\"a\")")],
    ),
    defined(
        "l.max()",
        "the greatest item, the first of several",
        "l.fold(l[0], (most, x) -> match most { Some(y) => if x > y { Some(x) } else { most }, None => None })",
        &[("[8, 9, 7].max()", "Some(9)"), ("[7].drop(1).max()", "None")],
    ),
    defined(
        "l.min_by(x -> k)",
        "the item whose k is the least, the first of several",
        "{ let keyed = l.map(x -> (k(x), x))
           keyed.fold(keyed[0], (least, x) -> match least { Some(y) => if x.0 < y.0 { Some(x) } else { least }, None => None }).map(x -> x.1) }",
        &[("[-3, 2, -2].min_by(x -> x.abs())", "Some(2)"), ("[7].drop(1).min_by(x -> x)", "None")],
    ),
    defined(
        "l.max_by(x -> k)",
        "the item whose k is the greatest, the first of several",
        "{ let keyed = l.map(x -> (k(x), x))
           keyed.fold(keyed[0], (most, x) -> match most { Some(y) => if x.0 > y.0 { Some(x) } else { most }, None => None }).map(x -> x.1) }",
        &[("[-3, 2, 3].max_by(x -> x.abs())", "Some(-3)")],
    ),
    defined("l.sort()", "the items, the least first", "l.sort_by(x -> x)", &[
        ("[8, 9, 7, 8].sort()", "[7, 8, 8, 9]"),
        ("[\"b\", \"B\", \"a\"].sort()", "[\"B\", \"a\", \"b\"]"),
    ])
    .of(Items::Keys),
    defined(
        "l.sort_by(x -> k)",
        "the items by their k, the least first; those with the same k stay in their order",
        "l.group_by(x -> k(x)).values().flatten()",
        &[
            ("[-3, 2, 3, 1].sort_by(x -> x.abs())", "[1, 2, -3, 3]"),
            ("[7, 9, 8].sort_by(x -> -x)", "[9, 8, 7]"),
        ],
    ),
    basic("l.group_by(x -> k)", "a Map from each k to the items that have it", &[(
        "[7, 8, 9].group_by(x -> x % 2)",
        "[0: [8], 1: [7, 9]]",
    )]),
    defined("l.distinct()", "the items without those that stood before", "l.distinct_by(x -> x)", &[(
        "[8, 7, 8].distinct()",
        "[8, 7]",
    )])
    .of(Items::Keys),
    defined(
        "l.distinct_by(x -> k)",
        "the items without those whose k stood before",
        "{ let keyed = l.map(x -> (k(x), x))
           let none = keyed.take(0).map(((key, _)) -> (key, ())).to_map()
           keyed.fold((none, l.take(0)), ((seen, kept), (key, x)) ->
             if seen.has(key) { (seen, kept) } else { (seen.put(key, ()), kept.push(x)) }).1 }",
        &[("[-3, 2, 3].distinct_by(x -> x.abs())", "[-3, 2]")],
    ),
    basic("l.with_index()", "each item after its index", &[(
        "[\"a\", \"b\"].with_index()",
        "[(0, \"a\"), (1, \"b\")]",
    )]),
    defined(
        "l.zip(l2)",
        "the pairs of items at the same index, as many as the shorter list has",
        "l.with_index().filter_map(((i, x)) -> l2[i].map(y -> (x, y)))",
        &[("[7, 8, 9].zip([\"a\", \"b\"])", "[(7, \"a\"), (8, \"b\")]")],
    ),
    defined(
        "l.chunks(n)",
        "the items in lists of n, the last may be shorter; of one where n is less",
        "{ let size = n.clamp(1, l.len().max(1))
           0.to((l.len() + size - 1) / size).map(i -> l.slice(i * size, (i + 1) * size)) }",
        &[
            ("[6, 7, 8].chunks(2)", "[[6, 7], [8]]"),
            ("[6, 7].chunks(0)", "[[6], [7]]"),
            ("[6, 7].chunks(9223372036854775807)", "[[6, 7]]"),
            ("[7].drop(1).chunks(2)", "[]"),
        ],
    ),
    defined("l.repeat(n)", "the items n times", "0.to(n).flat_map(_ -> l)", &[
        ("[7, 8].repeat(2)", "[7, 8, 7, 8]"),
        ("[7].repeat(-1)", "[]"),
    ]),
    basic("l.join(t)", "the Texts one after another, with t between them", &[(
        "[\"a\", \"b\"].join(\", \")",
        "\"a, b\"",
    )])
    .of(Items::Texts),
    basic("l.to_map()", "a Map of the pairs; of two with the same key the later one stays", &[(
        "[(\"a\", 7), (\"b\", 8), (\"a\", 9)].to_map()",
        "[\"a\": 9, \"b\": 8]",
    )])
    .of(Items::Pairs),
    basic("l.to_bytes()", "the Bytes of these octets, where all are from 0 to 255", &[
        ("[104, 105].to_bytes()", "Some(\"hi\".to_bytes())"),
        ("[256].to_bytes()", "None"),
    ])
    .of(Items::Ints),
];
