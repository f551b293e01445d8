//! The instructions on texts and bytes; replacing an item; bits; the ends of a map; loops.

use super::*;

fn text(text: &str) -> (Ty, Value) {
    (Ty::text(), Value::text(text))
}

fn bytes(octets: &[u8]) -> (Ty, Value) {
    (Ty::bytes(), Value::Bytes(octets.into()))
}

fn number(value: i64) -> (Ty, Value) {
    (Ty::int(), int(value))
}

fn texts(items: &[&str]) -> (Ty, Value) {
    (list_of(Ty::text()), Value::list(items.iter().map(|item| Value::text(item))))
}

/// Runs an instruction on three values.
fn ternary(args: [(Ty, Value); 3], op: Op) -> Result<Used, Trap> {
    let result = args[0].0.clone();
    measure(&args, &result, |_| vec![acc(0), Op::Push {}, acc(1), Op::Push {}, acc(2), op])
}

/// What the instruction of [`ternary`] used, without the loading of its arguments.
fn own(used: Result<Used, Trap>) -> (u64, u64) {
    let used = used.expect("the instruction does not trap");
    (used.fuel - 5, used.memory)
}

/// What an instruction on one or two values used, without the loading of its arguments.
fn cost(args: &[(Ty, Value)], result: &Ty, op: Op) -> (u64, u64) {
    let body = |_: &mut ModuleBuilder| match args.len() {
        1 => vec![acc(0), op],
        _ => vec![acc(0), Op::Push {}, acc(1), op],
    };
    let used = measure(args, result, body).expect("the instruction does not trap");
    (used.fuel - if args.len() == 1 { 1 } else { 3 }, used.memory)
}

#[test]
fn an_item_is_replaced_where_there_is_one() {
    let list = || (list_of(Ty::int()), ints(&[1, 2, 3]));
    let set = |index| ternary([list(), number(index), number(9)], Op::Set {}).map(|used| used.value);
    assert_eq!(set(0), Ok(ints(&[9, 2, 3])));
    assert_eq!(set(2), Ok(ints(&[1, 2, 9])));
    for outside in [3, -1, i64::MIN, i64::MAX] {
        assert_eq!(set(outside), Ok(ints(&[1, 2, 3])));
    }
    assert_eq!(own(ternary([list(), number(0), number(9)], Op::Set {})), (3, 64 + 2 * 16));
    // The old list stays what it was.
    let both = pair_of(list_of(Ty::int()), list_of(Ty::int()));
    let before_and_after = eval(&[list()], &both, |builder| {
        let zero = Op::Quote { constant: builder.constant(&Ty::int(), int(0)) };
        let set = [acc(0), Op::Push {}, zero.clone(), Op::Push {}, zero, Op::Set {}];
        [acc(0), Op::Push {}].into_iter().chain(set).chain([Op::Cons {}]).collect()
    });
    assert_eq!(before_and_after, Ok(Value::product([ints(&[1, 2, 3]), ints(&[0, 2, 3])])));
}

#[test]
fn a_slice_is_what_lies_between_two_indices() {
    let slice = |whole: (Ty, Value), from, to| {
        ternary([whole, number(from), number(to)], Op::Slice {}).map(|used| used.value)
    };
    let word = || text("añ𝄞b");
    let three = || bytes(&[7, 8, 9]);
    let list = || (list_of(Ty::int()), ints(&[7, 8, 9]));
    for (from, to, letters, octets) in [
        (0, 2, "añ", &[7, 8][..]),
        (1, 3, "ñ𝄞", &[8, 9]),
        (-5, 1, "a", &[7]),
        (2, 99, "𝄞b", &[9]),
        (2, 1, "", &[]),
        (9, 12, "", &[]),
        (0, i64::MAX, "añ𝄞b", &[7, 8, 9]),
        (i64::MIN, -1, "", &[]),
    ] {
        assert_eq!(slice(word(), from, to), Ok(Value::text(letters)), "{from} {to}");
        assert_eq!(slice(three(), from, to), Ok(bytes(octets).1), "{from} {to}");
        let items: Vec<i64> = octets.iter().map(|octet| i64::from(*octet)).collect();
        assert_eq!(slice(list(), from, to), Ok(ints(&items)), "{from} {to}");
    }
    let long = || text(&"x".repeat(800));
    // Only the beginning is looked at: ten scalar values of at most four bytes.
    assert_eq!(own(ternary([long(), number(4), number(10)], Op::Slice {})), (2 + 5, 16 + 6));
    assert_eq!(own(ternary([long(), number(0), number(800)], Op::Slice {})), (2 + 100, 16 + 800));
    assert_eq!(own(ternary([bytes(&[0; 80]), number(8), number(40)], Op::Slice {})), (2 + 4, 16 + 32));
    assert_eq!(own(ternary([list(), number(1), number(3)], Op::Slice {})), (2 + 2, 2 * 64));
}

#[test]
fn texts_are_searched_split_and_joined() {
    let search =
        |whole: &str, part: &str| binary(text(whole), text(part), &option_of(Ty::int()), Op::Search {});
    assert_eq!(search("𝄞añb", "ñ"), Ok(Value::some(int(2))));
    assert_eq!(search("aab", "ab"), Ok(Value::some(int(1))));
    assert_eq!(search("a", ""), Ok(Value::some(int(0))));
    assert_eq!(search("", ""), Ok(Value::some(int(0))));
    assert_eq!(search("a", "aa"), Ok(Value::none()));
    let split = |whole: &str, by: &str| binary(text(whole), text(by), &list_of(Ty::text()), Op::Split {});
    let parts = |items: &[&str]| Ok(texts(items).1);
    assert_eq!(split("a, ñ, ", ", "), parts(&["a", "ñ", ""]));
    assert_eq!(split("aaa", "aa"), parts(&["", "a"]));
    assert_eq!(split("", ","), parts(&[""]));
    assert_eq!(split("ñ𝄞", ""), parts(&["ñ", "𝄞"]));
    assert_eq!(split("", ""), parts(&[]));
    let join = |items: &[&str], by: &str| binary(texts(items), text(by), &Ty::text(), Op::Join {});
    assert_eq!(join(&["a", "", "ñ"], "--"), Ok(Value::text("a----ñ")));
    assert_eq!(join(&["a"], "--"), Ok(Value::text("a")));
    assert_eq!(join(&[], "--"), Ok(Value::text("")));
    let long = || text(&"x".repeat(72));
    assert_eq!(cost(&[long(), text("12345678")], &option_of(Ty::int()), Op::Search {}), (2 + 10, 48));
    let by_comma = [text("aaaa,bb,cccccccc"), text(",")];
    assert_eq!(cost(&by_comma, &list_of(Ty::text()), Op::Split {}), (2 + 2 + 3, 3 * 80 + 16));
    assert_eq!(
        cost(&[texts(&["aaaa", "bbbbbbb"]), text("12345")], &Ty::text(), Op::Join {}),
        (2 + 2 + 2, 16 + 16)
    );
}

#[test]
fn letters_of_ascii_alone_change_and_count_as_blank() {
    let edit = |how, whole: &str| unary(text(whole), &Ty::text(), Op::Edit { how });
    assert_eq!(edit(0, "aZ ñß1"), Ok(Value::text("AZ ñß1")));
    assert_eq!(edit(1, "AzÑ1"), Ok(Value::text("azÑ1")));
    assert_eq!(edit(2, " \t\r\n\u{c}a b\n"), Ok(Value::text("a b")));
    assert_eq!(edit(3, " a "), Ok(Value::text("a ")));
    assert_eq!(edit(4, " a "), Ok(Value::text(" a")));
    assert_eq!(edit(2, "\u{a0}a\u{b}"), Ok(Value::text("\u{a0}a\u{b}")));
    assert_eq!(edit(2, "  "), Ok(Value::text("")));
    assert_eq!(cost(&[text(&" ".repeat(80))], &Ty::text(), Op::Edit { how: 2 }), (2 + 10, 16 + 80));
}

#[test]
fn texts_become_bytes_and_bytes_become_texts() {
    assert_eq!(unary(text("ñ"), &Ty::bytes(), Op::Encode {}), Ok(bytes(&[0xc3, 0xb1]).1));
    let maybe = option_of(Ty::text());
    assert_eq!(unary(bytes(&[0xc3, 0xb1]), &maybe, Op::Decode {}), Ok(Value::some(Value::text("ñ"))));
    // Half a letter, a surrogate, more bytes than needed.
    for octets in [&[0xc3][..], &[0xed, 0xa0, 0x80], &[0xc0, 0x80]] {
        assert_eq!(unary(bytes(octets), &maybe, Op::Decode {}), Ok(Value::none()));
    }
    assert_eq!(unary(bytes(&[0, 255]), &list_of(Ty::int()), Op::Octets {}), Ok(ints(&[0, 255])));
    let pack = |items: &[i64]| unary((list_of(Ty::int()), ints(items)), &option_of(Ty::bytes()), Op::Pack {});
    assert_eq!(pack(&[0, 255]), Ok(Value::some(bytes(&[0, 255]).1)));
    assert_eq!(pack(&[]), Ok(Value::some(bytes(&[]).1)));
    for outside in [256, -1, i64::MAX] {
        assert_eq!(pack(&[1, outside]), Ok(Value::none()));
    }
    assert_eq!(cost(&[text(&"x".repeat(16))], &Ty::bytes(), Op::Encode {}), (2 + 2, 16 + 16));
    assert_eq!(cost(&[bytes(&[65; 16])], &maybe, Op::Decode {}), (2 + 2, 64 + 16));
    assert_eq!(cost(&[bytes(&[65; 16])], &list_of(Ty::int()), Op::Octets {}), (2 + 16, 16 * 64));
    let sixteen = (list_of(Ty::int()), ints(&[1; 16]));
    assert_eq!(cost(&[sixteen], &option_of(Ty::bytes()), Op::Pack {}), (2 + 16 + 2, 64 + 16));
}

#[test]
fn bits_are_joined_in_twos_complement() {
    let bits = |how, a, b| arithmetic(a, b, Op::Bits { how });
    assert_eq!(bits(0, 0b1100, 0b1010), Ok(0b1000));
    assert_eq!(bits(1, 0b1100, 0b1010), Ok(0b1110));
    assert_eq!(bits(2, 0b1100, 0b1010), Ok(0b0110));
    assert_eq!(bits(0, -1, i64::MIN), Ok(i64::MIN));
    assert_eq!(bits(2, -1, 0), Ok(-1));
}

#[test]
fn a_map_has_two_ends() {
    let map = |entries: &[(i64, i64)]| (map_of(Ty::int(), Ty::int()), table(entries));
    let found = option_of(pair_of(Ty::int(), Ty::int()));
    let outer = |end, entries: &[(i64, i64)]| unary(map(entries), &found, Op::Outer { end });
    let entry = |key, value| Ok(Value::some(Value::product([int(key), int(value)])));
    assert_eq!(outer(0, &[(2, 20), (1, 10), (3, 30)]), entry(1, 10));
    assert_eq!(outer(1, &[(2, 20), (1, 10), (3, 30)]), entry(3, 30));
    assert_eq!(outer(0, &[]), Ok(Value::none()));
    assert_eq!(outer(1, &[]), Ok(Value::none()));
    assert_eq!(cost(&[map(&[(1, 10)])], &found, Op::Outer { end: 0 }), (2, 128));
}

#[test]
fn a_loop_ends_by_its_test_or_by_its_bound() {
    // Doubles while below a bound.
    let double = |start, times, bound| {
        measure(&[number(start), number(times), number(bound)], &Ty::int(), |_| {
            let test = Block(vec![acc(3), Op::Push {}, acc(2), Op::Lt {}]);
            let body = Block(vec![acc(3), Op::Push {}, acc(3), Op::Add {}]);
            vec![acc(0), Op::Push {}, acc(1), Op::Loop { test, body }]
        })
    };
    let used = |value, fuel| Ok(Used { value: int(value), fuel, memory: 0 });
    assert_eq!(double(1, 100, 20), used(32, 4 + 5 * (1 + 4 + 4) + 5));
    assert_eq!(double(1, 3, 20), used(8, 4 + 3 * 9));
    assert_eq!(double(1, 0, 20), used(1, 4));
    assert_eq!(double(1, -7, 20), used(1, 4));
    assert_eq!(double(50, 100, 20), used(50, 4 + 5));
    assert_eq!(double(1, i64::MAX, i64::MAX), Err(Trap::Overflow));
    assert_eq!(double(0, i64::MAX, i64::MAX), Err(Trap::Fuel));
}

#[test]
fn a_loop_with_a_bound_in_its_type_has_a_bound_of_cost() {
    let three = ty(Kind::Int { lo: -2, hi: 3 });
    let (module, function) = module(&[(three, int(2))], &Ty::int(), |builder| {
        let mut quote = |value| Op::Quote { constant: builder.constant(&Ty::int(), int(value)) };
        let (zero, one) = (quote(0), quote(1));
        let test = Block(vec![acc(1), Op::Push {}, acc(1), Op::Eq {}]);
        let body = Block(vec![acc(1), Op::Push {}, one, Op::Add {}]);
        vec![zero, Op::Push {}, acc(0), Op::Loop { test, body }]
    });
    let verified = verified(module);
    assert_eq!(verified.verified_module().facts(function).fuel_max, Some(4 + 3 * (1 + (4 + 1) + 4)));
}

#[test]
fn what_is_long_is_not_read_before_it_is_paid_for() {
    let limits = Limits { fuel: 20, memory: 1 << 20 };
    let long = text(&"x".repeat(4_000));
    let short = text("x");
    for (args, result, op) in [
        (vec![long.clone(), short.clone()], option_of(Ty::int()), Op::Search {}),
        (vec![long.clone(), short.clone()], list_of(Ty::text()), Op::Split {}),
        (vec![texts(&["x"; 40]), short], Ty::text(), Op::Join {}),
        (vec![long.clone()], Ty::text(), Op::Edit { how: 0 }),
        (vec![long], Ty::bytes(), Op::Encode {}),
        (vec![bytes(&[0; 400])], option_of(Ty::text()), Op::Decode {}),
        (vec![bytes(&[0; 40])], list_of(Ty::int()), Op::Octets {}),
        (vec![(list_of(Ty::int()), ints(&[0; 40]))], option_of(Ty::bytes()), Op::Pack {}),
    ] {
        let values: Vec<Value> = args.iter().map(|(_, value)| value.clone()).collect();
        let name = op.name();
        let (module, function) = module(&args, &result, |_| match args.len() {
            1 => vec![acc(0), op],
            _ => vec![acc(0), Op::Push {}, acc(1), op],
        });
        let verified = verified(module);
        assert_eq!(call(verified.verified_module(), function, values, limits), Err(Trap::Fuel), "{name}");
    }
}
