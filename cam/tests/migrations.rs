//! Edges: what is derived, what has to be written, and how each fault is said.

use camshaft_cam::compile;
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::run::{self, EdgeArrow, Limits, Trap};
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::{Verified, VerifiedEdge, VerifiedMachine, verify};

/// Compiles a machine of these types whose one handler keeps the state.
fn machine(types: &str, init: &str, predecessor: Option<&VerifiedMachine>) -> VerifiedMachine {
    let input = if types.contains("type Input") { "" } else { "type Input = | Go\non Go => (state, Ok)\n" };
    let output = if types.contains("type Output") { "" } else { "type Output = | Ok\n" };
    let text = format!("machine m\n{types}\n{input}{output}init = {init}\n");
    let source = Source::new("m.cam", text.as_str());
    let module = compile::machine(&source, predecessor.map(VerifiedMachine::module))
        .unwrap_or_else(|errors| panic!("{}\n{text}", said(&errors)));
    match verify(module) {
        Ok(Verified::Machine(machine)) => machine,
        other => panic!("{other:?}"),
    }
}

fn said(errors: &[Diagnostic]) -> String {
    let line = |error: &Diagnostic| {
        format!(
            "{} {} | {} | {}\n",
            error.code,
            error.message,
            error.label,
            error.help.as_deref().unwrap_or("")
        )
    };
    errors.iter().map(line).collect()
}

fn edge(from: &VerifiedMachine, to: &VerifiedMachine, migration: &str) -> Result<VerifiedEdge, String> {
    let source = Source::new("m.cam", format!("migration m from \"1.0.0\"\n{migration}\n"));
    let written = (!migration.is_empty()).then_some(&source);
    let module = compile::edge(from, to, written).map_err(|errors| said(&errors))?;
    match verify(module) {
        Ok(Verified::Edge(edge)) => {
            edge.check_ends(from, to).expect("made for these two");
            Ok(edge)
        }
        other => panic!("{other:?}"),
    }
}

fn go(edge: &VerifiedEdge, arrow: EdgeArrow, (from, to): (&Ty, &Ty), json: &str) -> Result<String, Trap> {
    let value = Value::from_json(json, from).expect("a value of the type");
    Ok(run::edge_arrow(edge, arrow, &value, Limits::MIGRATION)?.to_json(to))
}

fn up(edge: &VerifiedEdge, from: &VerifiedMachine, to: &VerifiedMachine, json: &str) -> String {
    go(edge, EdgeArrow::Up, (from.state(), to.state()), json).expect("goes up")
}

fn down(
    edge: &VerifiedEdge,
    from: &VerifiedMachine,
    to: &VerifiedMachine,
    json: &str,
) -> Result<String, Trap> {
    go(edge, EdgeArrow::Down, (to.state(), from.state()), json)
}

/// Takes a state down with what was kept aside of an old one.
fn down_with(
    edge: &VerifiedEdge,
    from: &VerifiedMachine,
    to: &VerifiedMachine,
    json: &str,
    before: Option<&str>,
) -> Result<String, Trap> {
    let state = Value::from_json(json, to.state()).expect("a new state");
    let before = before.map(|before| Value::from_json(before, from.state()).expect("an old state"));
    let kept = before.map(|before| run::edge_keep(edge, &before, Limits::MIGRATION).expect("it is kept"));
    let down = run::edge_down(edge, &state, kept.flatten().as_ref(), Limits::MIGRATION)?;
    Ok(down.to_json(from.state()))
}

fn fail(why: &str) -> Result<String, Trap> {
    Err(Trap::Fail(why.into()))
}

#[test]
fn what_the_types_say_is_derived_both_ways() {
    let old = machine(
        "type Mood = Calm | Cross { why: Text }\ntype Item = { n: Int(0..=9), tags: List(Text(..=3)) }\n\
         type State = { mood: Mood, items: Map(Text, Item), pair: (Int, Bool), x: Int }",
        "{ mood: Calm, items: [:], pair: (1, true), x: 1 }",
        None,
    );
    let new = machine(
        "type Mood = Calm | Cross { why: Text, since: Int = 7 } | Glad\n\
         type Item = { tags: List(Text), n: Int, note: Option(Text) = None }\n\
         type State = { x: Option(Int), pair: (Int, Bool), items: Map(Text, Item), mood: Mood, more: Text = \"new\" }",
        "{ x: None, mood: Calm, items: [:], pair: (1, true) }",
        Some(&old),
    );
    let edge = edge(&old, &new, "").unwrap_or_else(|errors| panic!("{errors}"));
    let before =
        r#"{"mood":{"Cross":{"why":"rain"}},"items":{"a":{"n":3,"tags":["t"]}},"pair":[4,false],"x":5}"#;
    let after = up(&edge, &old, &new, before);
    assert_eq!(
        after,
        r#"{"x":5,"pair":[4,false],"items":{"a":{"tags":["t"],"n":3,"note":null}},"mood":{"Cross":{"why":"rain","since":7}},"more":"new"}"#
    );
    assert_eq!(down(&edge, &old, &new, &after).as_deref(), Ok(before), "down after up is where it was");
    // What the old types cannot hold has no way back.
    assert_eq!(
        down(&edge, &old, &new, &after.replace("{\"Cross\":{\"why\":\"rain\",\"since\":7}}", "\"Glad\"")),
        fail("the case Glad has no counterpart")
    );
    assert_eq!(
        down(&edge, &old, &new, &after.replace("\"x\":5", "\"x\":null")),
        fail("None has no counterpart")
    );
    assert_eq!(down(&edge, &old, &new, &after.replace("\"n\":3", "\"n\":10")), Err(Trap::Range));
    assert_eq!(down(&edge, &old, &new, &after.replace("[\"t\"]", "[\"long\"]")), Err(Trap::Range));
}

#[test]
fn ordinals_stay_with_their_labels() {
    let old = machine("type State = { a: Int, b: Int }", "{ a: 1, b: 2 }", None);
    let new = machine("type State = { c: Int = 3, b: Int, a: Int }", "{ a: 1, b: 2 }", Some(&old));
    let ordinals = |machine: &VerifiedMachine| -> Vec<(String, u32)> {
        let record = machine.state().as_record().expect("a record");
        record.fields.iter().map(|field| (field.label.to_string(), field.ordinal)).collect()
    };
    let named = |pairs: &[(&str, u32)]| -> Vec<(String, u32)> {
        pairs.iter().map(|(label, ordinal)| ((*label).to_owned(), *ordinal)).collect()
    };
    assert_eq!(ordinals(&old), named(&[("a", 0), ("b", 1)]));
    assert_eq!(ordinals(&new), named(&[("a", 0), ("b", 1), ("c", 2)]));
    // Old bytes are valid new bytes but for what is new at the end.
    let state = Value::from_json(r#"{"a":1,"b":2}"#, old.state()).expect("a state").to_binary(old.state());
    let after =
        Value::from_json(r#"{"c":3,"b":2,"a":1}"#, new.state()).expect("a state").to_binary(new.state());
    assert_eq!(after[1..1 + state.len() - 1], state[1..]);
}

#[test]
fn edits_say_what_the_types_do_not() {
    let old = machine(
        "type Item = { qty: Int, old: Bool }\ntype Mood = Fine | Bad\ntype State = { item: Item, mood: Mood }",
        "{ item: { qty: 1, old: true }, mood: Fine }",
        None,
    );
    let new = machine(
        "type Item = { count: Int, unit: Text }\ntype Mood = Good | Bad\ntype State = { item: Item, mood: Mood }",
        "{ item: { count: 1, unit: \"kg\" }, mood: Good }",
        Some(&old),
    );
    let edits =
        "rename Item.qty to count; rename Mood.Fine to Good; drop Item.old; add Item.unit = \"piece\"";
    let there = edge(
        &old,
        &new,
        &format!(
            "{edits}\ndown (new) = {{ item: {{ qty: new.item.count, old: false }}, mood: match new.mood {{ Good => Fine, Bad => Bad }} }}"
        ),
    );
    let there = there.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(
        up(&there, &old, &new, r#"{"item":{"qty":4,"old":true},"mood":"Fine"}"#),
        r#"{"item":{"count":4,"unit":"piece"},"mood":"Good"}"#
    );
    // A dropped field comes back from where it was kept aside.
    let kept = edge(&old, &new, edits).unwrap_or_else(|errors| panic!("{errors}"));
    let before = r#"{"item":{"qty":4,"old":true},"mood":"Fine"}"#;
    let after = up(&kept, &old, &new, before);
    assert_eq!(down_with(&kept, &old, &new, &after, Some(before)).as_deref(), Ok(before));
    let later = after.replace('4', "9");
    let back = before.replace('4', "9");
    assert_eq!(
        down_with(&kept, &old, &new, &later, Some(before)).as_deref(),
        Ok(&*back),
        "with later writes"
    );
    let nothing = fail("nothing was kept aside for the field old, and it has no default");
    assert_eq!(down_with(&kept, &old, &new, &after, None), nothing, "born later");
    let other = edits.replace("drop Item.old", "drop Item.old else false");
    let other = edge(&old, &new, &other).unwrap_or_else(|errors| panic!("{errors}"));
    let born = down_with(&other, &old, &new, &after, None);
    assert_eq!(born.as_deref(), Ok(&*before.replace("true", "false")));
}

#[test]
fn a_part_of_the_state_is_kept_aside_by_hand() {
    let old = machine("type State = { text: Text, n: Int }", "{ text: \"\", n: 0 }", None);
    let new = machine("type State = { n: Int(0..=9) }", "{ n: 0 }", Some(&old));
    let written = "up (old) = { n: if old.n < 0 { 0 } else if old.n > 9 { 9 } else { old.n } }\n\
                   keep (old) = (old.text, old.n)\n\
                   down (new, kept) = match kept { Some((text, n)) => { text, n: if new.n == 9 && n > 9 { n } else { new.n } }, \
                   None => { text: \"\", n: new.n } }";
    let edge = edge(&old, &new, written).unwrap_or_else(|errors| panic!("{errors}"));
    let before = r#"{"text":"a","n":70}"#;
    let after = up(&edge, &old, &new, before);
    assert_eq!(after, r#"{"n":9}"#);
    assert_eq!(down_with(&edge, &old, &new, &after, Some(before)).as_deref(), Ok(before));
    let later = down_with(&edge, &old, &new, r#"{"n":3}"#, Some(before));
    assert_eq!(later.as_deref(), Ok(r#"{"text":"a","n":3}"#));
    assert_eq!(down_with(&edge, &old, &new, r#"{"n":3}"#, None).as_deref(), Ok(r#"{"text":"","n":3}"#));
}

#[test]
fn a_written_down_may_take_what_a_derived_up_keeps() {
    let old = machine("type State = { a: Int, gone: Int }", "{ a: 1, gone: 2 }", None);
    let new = machine("type State = { a: Int }", "{ a: 1 }", Some(&old));
    let written = "drop State.gone\ndown (new, kept) = { a: new.a, gone: match kept { Some(k) => k.gone, None => new.a } }";
    let edge = edge(&old, &new, written).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(
        down_with(&edge, &old, &new, r#"{"a":5}"#, Some(r#"{"a":1,"gone":7}"#)).as_deref(),
        Ok(r#"{"a":5,"gone":7}"#)
    );
    assert_eq!(down_with(&edge, &old, &new, r#"{"a":5}"#, None).as_deref(), Ok(r#"{"a":5,"gone":5}"#));
}

#[test]
fn a_part_that_becomes_another_by_itself_need_not_be_written() {
    let old = machine(
        "type Item = { n: Int }\ntype State = { items: Map(Text, Item), total: Text }",
        "{ items: [:], total: \"\" }",
        None,
    );
    let new = machine(
        "type Item = { n: Int, note: Option(Text) = None }\ntype State = { items: Map(Text, Item), total: Int }",
        "{ items: [:], total: 0 }",
        Some(&old),
    );
    let written = "up (old) = { items: derived(old.items), total: old.total.parse().or(0) }\n\
                   down (new) = { total: new.total.show(), items: new.items.map((_, item) -> { n: item.n }) }";
    let edge = edge(&old, &new, written).unwrap_or_else(|errors| panic!("{errors}"));
    let after = up(&edge, &old, &new, r#"{"items":{"a":{"n":1}},"total":"12"}"#);
    assert_eq!(after, r#"{"items":{"a":{"n":1,"note":null}},"total":12}"#);
}

#[test]
fn below_a_list_a_dropped_field_has_to_be_made_up() {
    let old = machine("type Item = { n: Int, note: Text }\ntype State = List(Item)", "[]", None);
    let new = machine("type Item = { n: Int }\ntype State = List(Item)", "[]", Some(&old));
    let open = edge(&old, &new, "drop Item.note").expect_err("nothing is kept below a list");
    assert!(
        open.starts_with("E0402")
            && open.contains("State[..].note: was dropped where nothing can be kept aside"),
        "{open}"
    );
    let edge = edge(&old, &new, "drop Item.note else \"-\"").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(edge.edge().keep, None);
    assert_eq!(down(&edge, &old, &new, r#"[{"n":1}]"#).as_deref(), Ok(r#"[{"n":1,"note":"-"}]"#));
}

#[test]
fn queued_inputs_and_answers_move_by_written_clauses() {
    let old = machine(
        "type State = Int\ntype Input = Take { item: Int } | Look\ntype Output = Ok | Refused(Text)\n\
         on Take { item } => (state + item, Ok)\non Look => (state, Refused(\"\"))",
        "0",
        None,
    );
    let new = machine(
        "type State = Int\ntype Input = Look | Reserve { order: Int, item: Int }\ntype Output = Ok | Failed\n\
         on Reserve { order, item } => (state + item + order, Ok)\non Look => (state, Failed)",
        "0",
        Some(&old),
    );
    let open = edge(&old, &new, "").expect_err("`Take` is gone");
    assert!(open.starts_with("E0403") && open.contains("Input.Take: the case has no counterpart"), "{open}");
    let clauses = "lift Take { item } => Reserve { order: item, item }\nlower Failed => Refused(\"failed\")";
    let edge = edge(&old, &new, clauses).unwrap_or_else(|errors| panic!("{errors}"));
    let lift = |json| go(&edge, EdgeArrow::Lift, (old.input(), new.input()), json);
    assert_eq!(lift(r#"{"Take":{"item":3}}"#).as_deref(), Ok(r#"{"Reserve":{"order":3,"item":3}}"#));
    assert_eq!(lift(r#""Look""#).as_deref(), Ok(r#""Look""#), "the rest is derived");
    let lower = |json| go(&edge, EdgeArrow::Lower, (new.output(), old.output()), json);
    assert_eq!(lower(r#""Failed""#).as_deref(), Ok(r#"{"Refused":"failed"}"#));
    let unlift = |json| go(&edge, EdgeArrow::Unlift, (new.input(), old.input()), json);
    assert_eq!(unlift(r#"{"Reserve":{"order":1,"item":2}}"#), fail("the case Reserve has no counterpart"));
    let raise = |json| go(&edge, EdgeArrow::Raise, (old.output(), new.output()), json);
    assert_eq!(raise(r#"{"Refused":"x"}"#), fail("the case Refused has no counterpart"));
}

#[test]
fn every_fault_of_a_migration_says_what_is_open() {
    let old = machine("type State = { a: Int, gone: Int }", "{ a: 1, gone: 2 }", None);
    let new = machine("type State = { a: Int, b: Text }", "{ a: 1, b: \"\" }", Some(&old));
    let whole = "up (old) = { a: old.a, b: \"\" }\ndown (new) = { a: new.a, gone: 0 }";
    edge(&old, &new, whole).unwrap_or_else(|errors| panic!("{errors}"));
    let cases: &[(&str, &str, &str)] = &[
        ("", "E0401", "State.b: the field is new and has no default"),
        ("", "E0401", "State.gone: would be dropped"),
        ("", "E0402", "State.gone: the field is gone, and the old version has no default for it"),
        ("up (old) = { a: old.a, b: old.a }", "E0210", "expected Text, found Int"),
        ("up (old) = { a: old.b, b: \"\" }", "E0209", "has no field `b`"),
        ("up (old) = { a: 1 }", "E0211", "lacks `b`"),
        ("up (old) = { a: 1, b: \"\" }\nup (old) = { a: 1, b: \"\" }", "E0406", "`up` stands twice"),
        ("rename State.gone to c", "E0209", "of the new version has no member `c`"),
        ("rename Stat.gone to b", "E0201", "the old version has no type `Stat`"),
        ("rename Stat.gone to b", "E0201", "did you mean `State`?"),
        ("drop State.gon", "E0209", "did you mean `gone`?"),
        ("drop State.other", "E0209", "it has `a` and `gone`"),
        ("lift Goo => Go", "E0208", "did you mean `Go`?"),
        ("add Input.Go = 1", "E0405", "`add` is for fields of records"),
        ("drop State", "E0405", "an edit names a type and a member of it"),
        ("drop Input.Go", "E0405", "`drop` is for fields of records"),
        ("drop State.gone else \"\"", "E0210", "expected Int, found Text"),
        ("drop State.gone else ?", "E0407", "a hole is open: here belongs an Int"),
        ("add State.b = ?", "E0407", "a hole is open: here belongs a Text"),
        ("up (old) = ?", "E0407", "a hole is open: here belongs a State"),
        ("lift Go => ?", "E0407", "a hole is open: here belongs an Input"),
        ("fn f(n: Int) -> Int { let x = ?; n }", "E0407", "a hole is open: here belongs a value"),
        ("keep (old) = 1", "E0409", "what is kept aside is taken by no `down`"),
        ("keep (old) = 1\ndown (new) = { a: 1, gone: 1 }", "E0409", "write `down (new, kept) = ...`"),
        (
            "keep (old) = 1\nkeep (old) = 1\ndown (new, kept) = { a: 1, gone: 1 }",
            "E0406",
            "`keep` stands twice",
        ),
        ("up (old) = { a: 1, b: derived(old.a) }", "E0408", "an Int does not become a Text by itself"),
        (
            "up (old) { let x = derived(old.a); { a: x, b: \"\" } }",
            "E0408",
            "it is not known what is to be derived here",
        ),
        ("up (old) = { a: derived(), b: \"\" }", "E0214", "`derived` takes 1 argument, here are 0"),
        ("add State.b = 1", "E0210", "expected Text, found Int"),
        ("add State.c = 1", "E0209", "of the new version has no member `c`"),
        ("up (old) = fn", "E0112", "cannot be a name"),
        ("upp (old) = 1", "E0110", "did you mean `up`?"),
        ("lift Stop => Go", "E0208", "`Input` has no case `Stop`"),
        ("lift _ => Go\nlift Go => Go", "E0222", "this arrow is never reached"),
        ("up (old) { log \"x\"; { a: 1, b: \"\" } }", "E0218", "effects stand in `on` blocks only"),
    ];
    for (migration, code, words) in cases {
        let errors = edge(&old, &new, migration).expect_err(migration);
        let found = errors.lines().any(|line| line.starts_with(code)) && errors.contains(words);
        assert!(found, "`{migration}`: no {code} with `{words}` in\n{errors}");
    }
    let machine = Source::new("m.cam", "machine m\ntype State = Int\n");
    let errors = compile::edge(&old, &new, Some(&machine)).expect_err("a machine");
    assert!(said(&errors).starts_with("E0404"), "{}", said(&errors));
    let header = compile::migration_header(&Source::new("m.cam", "migration stock from \"1.3.0\"\n"))
        .expect("a header");
    assert_eq!((&*header.machine, &*header.from), ("stock", "1.3.0"));
}

#[test]
fn every_code_of_migrations_stands_in_a_test() {
    let here = include_str!("migrations.rs");
    let sources = [
        include_str!("../src/check/migration.rs"),
        include_str!("../src/check/expr.rs"),
        include_str!("../src/check/call.rs"),
        include_str!("../src/compile/mod.rs"),
    ];
    let mut codes = std::collections::BTreeSet::new();
    for part in sources.iter().flat_map(|source| source.split("\"E04").skip(1)) {
        codes.insert(format!("E04{}", &part[..2]));
    }
    assert!(codes.len() >= 6, "the codes stand in the sources as texts: {codes:?}");
    let missing: Vec<&String> = codes.iter().filter(|code| !here.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "no test for {missing:?}");
}

/// A predecessor's bundle may come from anybody.
#[test]
fn ordinals_past_the_greatest_number_are_refused() {
    use camshaft_cam::code::TypeIx;
    use camshaft_cam::ty::{Field, Kind, Record};
    let mut old = machine("type State = { a: Int }", "{ a: 1 }", None).module().clone();
    let last = Field { label: "a".into(), ordinal: u32::MAX, ty: Ty::int(), default: None };
    let state = Ty::new(Kind::Record(Record { fields: vec![last], declared: vec![0] })).expect("a record");
    let index = TypeIx(u32::try_from(old.types.len()).expect("few types"));
    old.types.push(state);
    old.debug.types = vec![("State".into(), index)];
    let text = "machine m\ntype State = { a: Int, b: Int }\ntype Input = | Go\ninit = { a: 1, b: 2 }\non Go => (state, ())\n";
    let errors = compile::machine(&Source::new("m.cam", text), Some(&old)).expect_err("no ordinal is left");
    assert!(said(&errors).starts_with("E0204") && said(&errors).contains("ordinals"), "{}", said(&errors));
}

#[test]
fn a_field_becomes_secret_by_itself_and_public_by_hand() {
    let init = "{ at: { token: \"a\", n: 1 } }";
    let old = machine("type At = { token: Text, n: Int }\ntype State = { at: At }", init, None);
    let new = machine("type At = { n: Int, token: secret Text }\ntype State = { at: At }", init, Some(&old));
    let ordinals = |machine: &VerifiedMachine| {
        let at = machine.state().as_record().expect("a record").fields[0].ty.clone();
        let fields = at.as_record().expect("a record").fields.clone();
        fields.into_iter().map(|field| (field.label, field.ordinal)).collect::<Vec<_>>()
    };
    assert_eq!(ordinals(&old), ordinals(&new));
    let reason = "State.at.token: secret Text does not become public by itself";
    let refused = edge(&old, &new, "").expect_err("there is no way back");
    assert!(refused.starts_with("E0402") && refused.contains(reason), "{refused}");
    let reveal = "down (new) = { at: { n: new.at.n, token: new.at.token.reveal() } }";
    let whole = edge(&old, &new, reveal).expect("an edge");
    let json = "{\"at\":{\"n\":2,\"token\":\"t\"}}";
    assert_eq!(up(&whole, &old, &new, "{\"at\":{\"token\":\"t\",\"n\":2}}"), json);
    assert_eq!(down(&whole, &old, &new, json).as_deref(), Ok("{\"at\":{\"token\":\"t\",\"n\":2}}"));

    let refused = edge(&new, &old, "").expect_err("nothing becomes public by itself");
    assert!(refused.starts_with("E0401") && refused.contains(reason), "{refused}");
}
