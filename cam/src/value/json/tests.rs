//! Each rule by what it takes and what it refuses, with the exact words.

use super::*;
use crate::ty::{Case, Field, Kind, Record, Ty, Variant};
use crate::value::Value;

fn ty(kind: Kind) -> Ty {
    Ty::new(kind).expect("the test's type is well formed")
}

fn option(item: Ty) -> Ty {
    ty(Kind::Option(item))
}

fn tuple(items: &[Ty]) -> Ty {
    ty(Kind::Tuple(items.to_vec()))
}

fn map(key: Ty, value: Ty) -> Ty {
    ty(Kind::Map { key, value })
}

/// A record, declared in the given order; the ordinals run against it.
fn record(fields: &[(&str, Ty, Option<Value>)]) -> Ty {
    let field = |(ordinal, (label, ty, default)): (u32, &(&str, Ty, Option<Value>))| Field {
        label: (*label).into(),
        ordinal,
        ty: ty.clone(),
        default: default.clone(),
    };
    ty(Kind::Record(Record {
        fields: (0..).zip(fields.iter().rev()).map(field).collect(),
        declared: (0..).take(fields.len()).collect::<Vec<_>>().into_iter().rev().collect(),
    }))
}

fn variant(cases: &[(&str, Ty)]) -> Ty {
    let case = |(ordinal, (label, payload)): (u32, &(&str, Ty))| Case {
        label: (*label).into(),
        ordinal,
        payload: payload.clone(),
    };
    ty(Kind::Variant(Variant { cases: (0..).zip(cases).map(case).collect() }))
}

fn item() -> Ty {
    record(&[
        ("count", Ty::int(), None),
        ("price", Ty::int(), Some(Value::Int(7))),
        ("note", option(Ty::text()), None),
    ])
}

fn input() -> Ty {
    variant(&[("Add", item()), ("Sum", Ty::int()), ("Total", Ty::unit())])
}

/// The JSON is what is written, and is read back.
#[track_caller]
fn check(ty: &Ty, value: Value, json: &str) {
    assert!(value.has_type(ty));
    assert_eq!(value.to_json(ty), json);
    assert_eq!(Value::from_json(json, ty), Ok(value));
}

/// The JSON is read, though another is written.
#[track_caller]
fn reads(ty: &Ty, json: &str, written: &str) {
    match Value::from_json(json, ty) {
        Ok(value) => assert_eq!(value.to_json(ty), written),
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn refuse(ty: &Ty, json: &str, error: &str) {
    assert_eq!(Value::from_json(json, ty).map_err(|error| error.to_string()), Err(error.to_owned()));
}

#[test]
fn plain_values() {
    check(&Ty::unit(), Value::Unit, "[]");
    check(&Ty::bool(), Value::Bool(true), "true");
    check(&Ty::bool(), Value::Bool(false), "false");
    check(&Ty::text(), Value::text("\u{0}\"\\é𝄞\n"), r#""\u0000\"\\é𝄞\n""#);
    check(&Ty::bytes(), Value::Bytes(b"foob".as_slice().into()), r#""Zm9vYg==""#);
    check(&Ty::duration(), Value::Int(-1500), "-1500");
    check(&Ty::list(Ty::int()).expect("a type"), Value::list([Value::Int(2), Value::Int(1)]), "[2,1]");
    check(&tuple(&[Ty::int(), Ty::bool()]), Value::product([Value::Int(2), Value::Bool(true)]), "[2,true]");
    reads(&Ty::text(), r#" "\u00e9\ud834\udd1e" "#, r#""é𝄞""#);
}

#[test]
fn plain_values_of_another_type() {
    refuse(&Ty::unit(), "null", "$: expected [], found null");
    refuse(&Ty::unit(), "[1]", "$: expected [], found a longer array");
    refuse(&Ty::bool(), "0", "$: expected Bool, found 0");
    refuse(&Ty::bool(), "\"true\"", "$: expected Bool, found \"true\"");
    refuse(&Ty::text(), "1", "$: expected Text, found 1");
    refuse(&Ty::text(), "1.5", "$: expected Text, found the number 1.5");
    refuse(&Ty::int(), "\"x\"", "$: expected Int, found \"x\"");
    refuse(&Ty::int(), "[]", "$: expected Int, found an array");
    refuse(&Ty::int(), "{}", "$: expected Int, found an object");
    refuse(&Ty::int(), "true", "$: expected Int, found true");
    refuse(&item(), "[]", "$: expected a record, found an array");
    let long = format!("\"{}\"", "é".repeat(50));
    refuse(&Ty::int(), &long, &format!("$: expected Int, found \"{}\"...", "é".repeat(40)));
}

#[test]
fn limits_of_types() {
    refuse(&ty(Kind::Int { lo: 0, hi: 9 }), "10", "$: expected Int(0..=9), found 10");
    refuse(&ty(Kind::Int { lo: 0, hi: 9 }), "\"-1\"", "$: expected Int(0..=9), found -1");
    let short = ty(Kind::Text { max: Some(2) });
    check(&short, Value::text("éé"), "\"éé\"");
    refuse(&short, "\"ééé\"", "$: expected Text(..=2), found a text of 3 characters");
    refuse(&ty(Kind::Bytes { max: Some(2) }), "\"Zm9v\"", "$: expected Bytes(..=2), found 3 bytes");
    let few = ty(Kind::List { item: Ty::int(), max: Some(1) });
    refuse(&few, "[1,2]", "$: expected List(Int, ..=1), found more than 1 items");
    refuse(&map(short, Ty::int()), r#"{"abc":1}"#, "$: expected Text(..=2) as key, found \"abc\"");
}

#[test]
fn numbers_are_exact_or_refused() {
    let int = Ty::int();
    check(&int, Value::Int(9_007_199_254_740_991), "9007199254740991");
    check(&int, Value::Int(-9_007_199_254_740_991), "-9007199254740991");
    check(&int, Value::Int(9_007_199_254_740_992), "\"9007199254740992\"");
    check(&int, Value::Int(i64::MIN), "\"-9223372036854775808\"");
    check(&Ty::duration(), Value::Int(i64::MAX), "\"9223372036854775807\"");
    reads(&int, "\"5\"", "5");
    reads(&int, "9223372036854775807", "\"9223372036854775807\"");
    reads(&int, "-9223372036854775808", "\"-9223372036854775808\"");
    let form = "with a fraction or an exponent or of more than 64 bits";
    refuse(&int, "1.0", &format!("$: expected Int, found the number 1.0, {form}"));
    refuse(&int, "1e3", &format!("$: expected Int, found the number 1000.0, {form}"));
    refuse(&int, "1E-2", &format!("$: expected Int, found the number 0.01, {form}"));
    refuse(&int, "100000000000000000000", &format!("$: expected Int, found the number 1e20, {form}"));
    refuse(&int, "9223372036854775808", "$: expected Int, found 9223372036854775808");
    refuse(&int, "-0", "$: expected Int, found -0 or -0.0");
    refuse(&int, "-0.0", "$: expected Int, found -0 or -0.0");
    refuse(&int, "+1", "$: not JSON: expected value at line 1 column 1");
    refuse(&int, "01", "$: not JSON: invalid number at line 1 column 2");
    refuse(&int, "1e999", "$: not JSON: number out of range at line 1 column 5");
    refuse(&int, "NaN", "$: not JSON: expected value at line 1 column 1");
    for text in ["", "01", "+1", "-0", "1.0", "1e3", " 1", "1_000", "0x1", "9223372036854775808", "١"] {
        refuse(&int, &format!("\"{text}\""), &format!("$: expected Int, found \"{text}\""));
    }
}

#[test]
fn bytes_are_strict_base64() {
    for text in ["Zg", "Zg=", "Zh==", "Zm9-", "Zm 9"] {
        let error = format!("$: expected Bytes as padded base64, found \"{text}\"");
        refuse(&Ty::bytes(), &format!("\"{text}\""), &error);
    }
}

#[test]
fn options() {
    let one = option(Ty::int());
    check(&one, Value::none(), "null");
    check(&one, Value::some(Value::Int(1)), "1");
    refuse(&one, "\"x\"", "$: expected Int or null, found \"x\"");
    refuse(&one, r#"{"Some":1}"#, "$: expected Int or null, found an object");
    let two = option(one.clone());
    check(&two, Value::none(), "null");
    check(&two, Value::some(Value::none()), r#"{"Some":null}"#);
    check(&two, Value::some(Value::some(Value::Int(1))), r#"{"Some":1}"#);
    refuse(&two, "1", "$: expected null or {\"Some\": ...}, found 1");
    refuse(&two, "{}", "$: expected null or {\"Some\": ...}, found {}");
    refuse(&two, r#"{"some":1}"#, "$: there is no case \"some\"; did you mean \"Some\"?");
    refuse(&two, r#"{"Some":1,"Some":2}"#, "$: expected exactly one case, found also \"Some\"");
    refuse(&two, r#"{"Some":{"Some":1}}"#, "$.Some: expected Int or null, found an object");
    let three = option(two);
    check(&three, Value::some(Value::some(Value::none())), r#"{"Some":{"Some":null}}"#);
    check(&three, Value::some(Value::some(Value::some(Value::Int(1)))), r#"{"Some":{"Some":1}}"#);
    let unit = option(Ty::unit());
    check(&unit, Value::some(Value::Unit), "[]");
    let case = option(variant(&[("Some", Ty::int()), ("None", Ty::unit())]));
    check(&case, Value::some(Value::sum(0, Value::Int(1))), r#"{"Some":1}"#);
    check(&case, Value::some(Value::sum(1, Value::Unit)), "\"None\"");
    check(&case, Value::none(), "null");
}

#[test]
fn records() {
    let value = |price, note| Value::product([note, Value::Int(price), Value::Int(1)]);
    check(&item(), value(2, Value::none()), r#"{"count":1,"price":2,"note":null}"#);
    reads(&item(), r#"{"note":"x","count":1}"#, r#"{"count":1,"price":7,"note":"x"}"#);
    refuse(&item(), r#"{"price":1}"#, "$: the field `count` is missing");
    refuse(&item(), r#"{"count":1,"pirce":1}"#, "$: there is no field \"pirce\"; did you mean \"price\"?");
    refuse(&item(), r#"{"count":1,"zebra":1}"#, "$: there is no field \"zebra\"");
    refuse(&item(), r#"{"count":1,"count":1}"#, "$: the field `count` stands twice");
    refuse(&item(), r#"{"count":1,"price":null}"#, "$.price: expected Int, found null");
    // Unknown to any list of names, and too long to be compared with one.
    let long = "x".repeat(100_000);
    let error = format!("$: there is no field \"{}\"...", "x".repeat(40));
    refuse(&item(), &format!("{{\"{long}\":1}}"), &error);
}

#[test]
fn variants() {
    let add = Value::product([Value::none(), Value::Int(7), Value::Int(1)]);
    check(&input(), Value::sum(0, add), r#"{"Add":{"count":1,"price":7,"note":null}}"#);
    check(&input(), Value::sum(1, Value::Int(3)), r#"{"Sum":3}"#);
    check(&input(), Value::sum(2, Value::Unit), r#""Total""#);
    refuse(&input(), r#"{"Add":{"count":"x"}}"#, "$.Add.count: expected Int, found \"x\"");
    refuse(&input(), r#""total""#, "$: there is no case \"total\"; did you mean \"Total\"?");
    refuse(&input(), r#"{"sum":3}"#, "$: there is no case \"sum\"; did you mean \"Sum\"?");
    refuse(&input(), r#"{"Total":[]}"#, "$: the case `Total` holds nothing and is written \"Total\"");
    refuse(&input(), r#""Sum""#, "$: the case `Sum` holds a value and is written {\"Sum\": ...}");
    refuse(&input(), "{}", "$: expected a case, found {}");
    refuse(&input(), "3", "$: expected a case, found 3");
    refuse(&input(), r#"{"Sum":3,"Add":{}}"#, "$: expected exactly one case, found also \"Add\"");
    refuse(&input(), r#"{"Sum":3,"Sum":3}"#, "$: expected exactly one case, found also \"Sum\"");
}

#[test]
fn maps_with_text_keys() {
    let texts = map(Ty::text(), Ty::int());
    let entry = |key: &str, value| (Value::text(key), Value::Int(value));
    check(&texts, Value::map([]), "{}");
    check(&texts, Value::map([entry("é", 1), entry("a", 2), entry("Z", 3)]), r#"{"Z":3,"a":2,"é":1}"#);
    reads(&texts, r#"{"b":1,"a":2}"#, r#"{"a":2,"b":1}"#);
    refuse(&texts, r#"{"a":1,"\u0061":2}"#, "$: the key \"a\" stands twice");
    refuse(&texts, r#"{"a b":true}"#, "$[\"a b\"]: expected Int, found true");
    refuse(&texts, "[]", "$: expected a map as an object, found an array");
}

#[test]
fn maps_with_other_keys() {
    let numbers = map(Ty::int(), Ty::bool());
    let entry = |key, value| (Value::Int(key), Value::Bool(value));
    check(&numbers, Value::map([]), "[]");
    check(&numbers, Value::map([entry(10, true), entry(9, false)]), "[[9,false],[10,true]]");
    reads(&numbers, "[[2,true],[1,true]]", "[[1,true],[2,true]]");
    refuse(&numbers, "[[1,true],[\"1\",true]]", "$[1]: the key 1 stands twice");
    refuse(&numbers, "{}", "$: expected a map as an array of [key, value], found an object");
    refuse(&numbers, "[[1,true],[2]]", "$[1]: expected an array of 2, found an array of 1");
    refuse(&numbers, "[[1,true,2]]", "$[0]: expected an array of 2, found a longer array");
    refuse(&numbers, "[[1,2]]", "$[0][1]: expected Bool, found 2");
    refuse(&numbers, "[5]", "$[0]: expected an array of 2, found 5");
    let cases = map(variant(&[("B", Ty::unit()), ("A", Ty::unit())]), Ty::int());
    let case = |index| Value::sum(index, Value::Unit);
    check(&cases, Value::map([(case(1), Value::Int(1)), (case(0), Value::Int(2))]), r#"[["B",2],["A",1]]"#);
}

#[test]
fn tuples_have_their_length() {
    let pair = tuple(&[Ty::int(), Ty::text()]);
    refuse(&pair, "[1]", "$: expected an array of 2, found an array of 1");
    refuse(&pair, "[1,\"a\",2]", "$: expected an array of 2, found a longer array");
    refuse(&pair, "[1,2]", "$[1]: expected Text, found 2");
}

#[test]
fn what_is_no_json_is_refused_where_it_ends_to_be() {
    refuse(&Ty::int(), "", "$: not JSON: EOF while parsing a value at line 1 column 0");
    refuse(&Ty::int(), "1 2", "$: not JSON: trailing characters at line 1 column 3");
    refuse(&input(), r#"{"Sum":3"#, "$: not JSON: EOF while parsing an object at line 1 column 8");
    refuse(&input(), r#"{"Add":{"count":tru}}"#, "$.Add.count: not JSON: expected ident at line 1 column 20");
    refuse(&Ty::text(), r#""\ud834""#, "$: not JSON: unexpected end of hex escape at line 1 column 8");
    refuse(
        &Ty::text(),
        r#""\udd1e""#,
        "$: not JSON: lone leading surrogate in hex escape at line 1 column 7",
    );
    refuse(&Ty::text(), "'a'", "$: not JSON: expected value at line 1 column 1");
    refuse(&Ty::unit(), "[,]", "$: not JSON: expected value at line 1 column 2");
}

#[test]
fn size_is_limited_and_depth_is_that_of_the_type() {
    let json = "1".repeat(BYTES_MAX + 1);
    refuse(&Ty::int(), &json, "$: 1048577 bytes are above the limit of 1048576");
    assert_eq!(Value::from_json_within("100", &Ty::int(), 3), Ok(Value::Int(100)));
    let error = Value::from_json_within("1000", &Ty::int(), 3).map_err(|error| error.to_string());
    assert_eq!(error, Err("$: 4 bytes are above the limit of 3".to_owned()));
    refuse(
        &Ty::unit(),
        &"[".repeat(100_000),
        "$: not JSON: EOF while parsing a list at line 1 column 100000",
    );
    // The deepest type in its deepest form is read: two levels of JSON for each level of type.
    let (mut deep, mut value) = (Ty::int(), Value::Int(1));
    for _ in 1..crate::ty::DEPTH_MAX {
        deep = map(Ty::int(), deep);
        value = Value::map([(Value::Int(0), value)]);
    }
    assert_eq!(Value::from_json(&value.to_json(&deep), &deep), Ok(value));
}

fn secret(item: Ty) -> Ty {
    ty(Kind::Secret(item))
}

#[test]
fn secrets_are_plain_or_redacted() {
    check(&secret(Ty::int()), Value::Int(7), "7");
    let token = record(&[("name", Ty::text(), None), ("token", option(secret(Ty::text())), None)]);
    let value = |token| Value::product([token, Value::text("a")]);
    check(&token, value(Value::some(Value::text("b"))), r#"{"name":"a","token":"b"}"#);
    let redacted = |ty: &Ty, value: Value| value.to_json_redacted(ty);
    assert_eq!(redacted(&token, value(Value::some(Value::text("b")))), r#"{"name":"a","token":"[secret]"}"#);
    assert_eq!(redacted(&token, value(Value::none())), r#"{"name":"a","token":null}"#);
    let whole = map(Ty::text(), secret(token.clone()));
    let entry = || Value::map([(Value::text("k"), value(Value::none()))]);
    assert_eq!(redacted(&whole, entry()), r#"{"k":"[secret]"}"#);
    assert_eq!(redacted(&token, value(Value::none())), r#"{"name":"a","token":null}"#);
    assert_eq!(
        redacted(&variant(&[("Key", secret(Ty::int()))]), Value::sum(0, Value::Int(1))),
        r#"{"Key":"[secret]"}"#
    );
}

#[test]
fn an_option_in_a_secret_is_an_option() {
    let inner = secret(option(Ty::int()));
    check(&inner, Value::none(), "null");
    check(&inner, Value::some(Value::Int(1)), "1");
    let outer = option(inner.clone());
    check(&outer, Value::none(), "null");
    check(&outer, Value::some(Value::none()), r#"{"Some":null}"#);
    check(&outer, Value::some(Value::some(Value::Int(1))), r#"{"Some":1}"#);
    assert_eq!(Value::some(Value::none()).to_json_redacted(&outer), r#"{"Some":"[secret]"}"#);
    assert_eq!(Value::none().to_json_redacted(&inner), r#""[secret]""#);
    reads(&record(&[("a", inner, None)]), "{}", r#"{"a":null}"#);
}

#[test]
fn what_is_wrong_within_a_secret_is_told_without_a_word_of_it() {
    let pins = secret(ty(Kind::List { item: Ty::int(), max: None }));
    let vault = record(&[("pins", pins, None), ("name", Ty::int(), None)]);
    let hidden = "$.pins: expected secret List(Int), found something else";
    refuse(&vault, r#"{"pins":"hunter2"}"#, hidden);
    refuse(&vault, r#"{"pins":[1,"hunter2"]}"#, hidden);
    refuse(&vault, r#"{"pins":[1],"name":"x"}"#, r#"$.name: expected Int, found "x""#);
    refuse(&vault, r#"{"pins":[1],"other":"x"}"#, r#"$: there is no field "other""#);
    let token = option(secret(Ty::int()));
    refuse(&token, r#""hunter2""#, "$: expected Option(secret Int), found something else");
    let tokens = tuple(&[token.clone(), token, Ty::bool()]);
    refuse(&tokens, r#"[1,null,"x"]"#, r#"$[2]: expected Bool, found "x""#);
    refuse(&tokens, "[1,null,true,1]", "$: expected an array of 3, found a longer array");
}
