//! Every form of term and instruction, every refusal with its place, and whole skeletons.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_manifests::appup as ours;
use proptest::prelude::*;

use super::*;

fn source(text: &str) -> Source {
    Source::new("shop.appup", text)
}

/// Returns `code `what` message`, a line each, with the help behind it.
fn told(faults: &[Diagnostic]) -> String {
    let one = |fault: &Diagnostic| {
        let at = &fault.source.text[fault.span.clone()];
        let help = fault.help.as_ref().map_or(String::new(), |help| format!("\nhelp: {help}"));
        format!("{} `{at}` {}{help}", fault.code, fault.message)
    };
    faults.iter().map(one).collect::<Vec<_>>().join("\n")
}

mod terms {
    use super::super::term::{DEPTH_MAX, Term, Value, read};
    use super::*;

    /// Writes a term so that its parts show: atoms quoted, texts as texts, integers as numbers.
    fn parts(term: &Term) -> String {
        let all = |terms: &[Term]| terms.iter().map(parts).collect::<Vec<_>>().join(" ");
        match &term.value {
            Value::Atom(name) => format!("'{name}'"),
            Value::Text(text) => format!("{text:?}"),
            Value::Binary(bytes) => format!("{bytes:?}"),
            Value::Integer(Some(number)) => number.to_string(),
            Value::Integer(None) => "large".to_owned(),
            Value::Float(number) => format!("{number:?}"),
            Value::Tuple(terms) => format!("{{{}}}", all(terms)),
            Value::List(terms, None) => format!("[{}]", all(terms)),
            Value::List(terms, Some(tail)) => format!("[{} | {}]", all(terms), parts(tail)),
            Value::Map(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| format!("{}: {}", parts(key), parts(value)));
                format!("#{}", pairs.collect::<Vec<_>>().join(" "))
            }
            Value::Function => "fun".to_owned(),
        }
    }

    #[test]
    fn each_form_of_term_is_read() {
        for (text, expected) in [
            ("abc.", "'abc'"),
            ("aB_9@x.", "'aB_9@x'"),
            (r"'a b\n\x{41}\101\'\\'.", "'a b\nAA'\\'"),
            ("'end'.", "'end'"),
            (r#""a\"b\tc\x41\x{e9}é"."#, r#""a\"b\tcAéé""#),
            ("\"a\" \"b\"\n\"c\".", r#""abc""#),
            ("\"two\nlines\".", r#""two\nlines""#),
            ("0.", "0"),
            ("1_000.", "1000"),
            ("16#fF.", "255"),
            ("2#101.", "5"),
            ("-7.", "-7"),
            ("+7.", "7"),
            ("-$a.", "-97"),
            ("$a.", "97"),
            (r"$\n.", "10"),
            (r"$\\.", "92"),
            ("$ .", "32"),
            ("99999999999999999999.", "large"),
            ("1.5.", "1.5"),
            ("-1.0e3.", "-1000.0"),
            ("{}.", "{}"),
            ("{a, {b}}.", "{'a' {'b'}}"),
            ("[].", "[]"),
            ("[a,b|c].", "['a' 'b' | 'c']"),
            ("[a|[b,c]].", "['a' 'b' 'c']"),
            ("[a|\"b\"].", "['a' 98]"),
            ("#{}.", "#"),
            ("#{a => 1, \"k\" => [x]}.", "#'a': 1 \"k\": ['x']"),
            ("<<>>.", "[]"),
            ("<<\"a\\\\.é\">>.", "[97, 92, 46, 233]"),
            ("<<\"é\"/utf8>>.", "[195, 169]"),
            ("<<1, 258, -1, $a, \"b\", 16#e9/utf8, 3/integer>>.", "[1, 2, 255, 97, 98, 195, 169, 3]"),
            ("~\"a\\nb\".", "[97, 10, 98]"),
            ("~s\"ab\".", "\"ab\""),
            ("fun lists:map/2.", "fun"),
            ("% nothing\n a % here\n .% end", "'a'"),
            ("a. b.\n{c}.", "'a'; 'b'; {'c'}"),
            ("", ""),
        ] {
            let terms = read(&source(text)).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
            assert_eq!(terms.iter().map(parts).collect::<Vec<_>>().join("; "), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_term_is_refused_at_its_place() {
        let plain = "help: an .appup file holds plain terms: nothing in it is computed";
        let deep = format!("{}a{}.", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        for (text, expected) in [
            ("\"a", "R0201 `\"` this is no word of Erlang: no closing quotation"),
            ("{a, \u{2603}}.", "R0201 `\u{2603}` this is no word of Erlang: cannot parse a symbol token"),
            ("1x.", "R0201 `1` this is no word of Erlang: cannot parse an integer token"),
            ("{a", "R0202 `` expected `,` or `}`, found the end of the text"),
            ("a", "R0202 `` a full stop ends a term, found the end of the text"),
            ("a b.", "R0202 `b` a full stop ends a term, found `b`"),
            ("{a,}.", "R0202 `}` expected a term, found `}`"),
            ("[a|b,c].", "R0202 `,` expected `]`, found `,`"),
            ("[a b].", "R0202 `b` expected `,`, `|` or `]`, found `b`"),
            ("#{a 1}.", "R0202 `1` expected `=>`, found `1`"),
            ("#r{}.", "R0202 `r` expected `{` of a map, found `r`"),
            ("<<a>>.", "R0202 `a` a binary holds strings and whole numbers of at most 64 bits"),
            ("<<1:16>>.", "R0202 `:` parts of a binary have no size here, found `:`"),
            ("<<1/float>>.", "R0202 `float` parts of a binary are `/utf8` or bytes here, found `float`"),
            ("<<16#d800/utf8>>.", "R0202 `16#d800` 55296 is no character"),
            ("- a.", "R0202 `a` expected a number, found `a`"),
            (&deep, "R0202 `a` terms nest more than 64 deep"),
            ("{Name}.", &format!("R0203 `Name` a variable is no term: `Name`\n{plain}")),
            ("f(x).", &format!("R0203 `f` a call is no term: `f`\n{plain}")),
            ("m:f.", &format!("R0203 `m` a call is no term: `m`\n{plain}")),
            ("1 + 2.", &format!("R0203 `1` an expression is no term: `1`\n{plain}")),
            ("begin a end.", &format!("R0203 `begin` an expression is no term: `begin`\n{plain}")),
            ("fun() -> a end.", &format!("R0203 `fun` a function with a body is no term: `fun`\n{plain}")),
            ("~r\"a\".", &format!("R0203 `~r\"a\"` this kind of string is no term: `~r\"a\"`\n{plain}")),
        ] {
            let fault = read(&source(text)).expect_err(text);
            assert_eq!(told(&[*fault]), expected, "{text}");
        }
    }

    #[test]
    fn terms_that_nest_as_deep_as_they_may_are_read() {
        let text = format!("{}{}.", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        assert!(read(&source(&text)).is_ok());
    }

    #[test]
    fn a_term_is_shown_on_one_line_and_without_comments() {
        let source = source("{ a ,% why\n [ 'b c' ,\n  \"x\ny\" ] , #{ k => 1 } }.");
        let terms = read(&source).expect("terms");
        assert_eq!(terms[0].shown(&source), "{a,['b c',\"x y\"],#{k => 1}}");
    }
}

#[test]
fn a_file_is_utf8_or_says_what_it_is() {
    let decoded = |bytes: &[u8]| decode("shop.appup", bytes.to_vec());
    assert_eq!(&*decoded("'é'.".as_bytes()).expect("UTF-8").text, "'é'.");
    let latin = b"%% -*- coding: latin-1 -*-\n'\xe9'.";
    assert_eq!(&*decoded(latin).expect("says so").text, "%% -*- coding: latin-1 -*-\n'é'.");
    let fault = decoded(b"{'\xe9'}.").expect_err("neither");
    assert_eq!(
        told(&[*fault]),
        "R0201 `\u{fffd}` this is not UTF-8\nhelp: save it as UTF-8, or say `%% coding: latin-1` in its first line"
    );
}

/// Returns the text of an .appup with these instructions on the way up from 1.0.0.
fn with(instructions: &str) -> String {
    format!("{{\"2.0.0\",[{{\"1.0.0\",[{instructions}]}}],[{{\"1.0.0\",[]}}]}}.")
}

#[test]
fn what_is_no_appup_is_refused_at_its_place() {
    let form =
        "help: an .appup is `{Version, [{UpFromVersion, [Instruction]}], [{DownToVersion, [Instruction]}]}.`";
    for (text, expected) in [
        ("", format!("R0204 `` there is no term here\n{form}")),
        ("{\"1\",[],[]}. a.", format!("R0204 `a` an .appup is one term, and this is a second\n{form}")),
        ("{a,b}.", format!("R0204 `{{a,b}}` this is no .appup\n{form}")),
        ("{a,[],[]}.", "R0205 `a` the version of an .appup is a string".to_owned()),
        ("{\"1\",a,[]}.", "R0204 `a` UpFrom is a list of `{Version, [Instruction]}`".to_owned()),
        ("{\"1\",[],{}}.", "R0204 `{}` DownTo is a list of `{Version, [Instruction]}`".to_owned()),
        ("{\"1\",[a],[]}.", "R0204 `a` an entry is `{Version, [Instruction]}`".to_owned()),
        ("{\"1\",[{\"0\",a}],[]}.", "R0204 `a` the instructions of an entry are a list".to_owned()),
        (
            "{\"1\",[{v0,[]}],[]}.",
            "R0205 `v0` a version is a string, or a binary with a regular expression\n\
             help: such as \"1.0.0\" or <<\"1\\\\.0\\\\.[0-9]+\">>"
                .to_owned(),
        ),
        (
            "{\"1\",[{<<255>>,[]}],[]}.",
            "R0205 `<<255>>` the regular expression of a version is UTF-8".to_owned(),
        ),
        (
            &with("point_of_no_return, {apply,{a,b,[]}}, point_of_no_return"),
            "R0207 `point_of_no_return` `point_of_no_return` stands twice among these instructions"
                .to_owned(),
        ),
    ] {
        assert_eq!(told(&read(&source(text)).expect_err(text)), expected, "{text}");
    }
    // A list of characters is a string to Erlang.
    assert_eq!(read(&source("{[$2,46,$0],[],[]}.")).expect("an .appup").version, "2.0");
}

#[test]
fn an_instruction_that_otp_does_not_have_is_named() {
    for (text, expected) in [
        ("{updaet, m}", "R0206 `updaet` there is no instruction `updaet`\nhelp: did you mean `update`?"),
        ("{zebra, m}", "R0206 `zebra` there is no instruction `zebra`"),
        ("restart", "R0206 `restart` there is no instruction `restart`\nhelp: did you mean `start`?"),
        (
            "{remove_module, m, brutal_purge, brutal_purge, []}",
            "R0206 `remove_module` there is no instruction `remove_module`\nhelp: did you mean `delete_module`?",
        ),
        ("1", "R0206 `1` an instruction is an atom, or a tuple that begins with one"),
        ("{}", "R0206 `{}` an instruction is an atom, or a tuple that begins with one"),
        (
            "mnesia_backup",
            "R0208 `mnesia_backup` `mnesia_backup` was never implemented in OTP either\n\
             help: take it out",
        ),
    ] {
        assert_eq!(told(&read(&source(&with(text))).expect_err(text)), expected, "{text}");
    }
    // All of them at once.
    assert_eq!(read(&source(&with("a, {update, 1}, b"))).expect_err("three").len(), 3);
}

#[test]
fn an_instruction_in_a_form_that_it_does_not_have_is_refused_with_its_forms() {
    for (text, at, expected) in [
        ("{update}", "{update}", "`update`: this is none of its forms"),
        ("update", "update", "`update`: this is none of its forms"),
        ("{update, 1}", "1", "`update`: a module is an atom"),
        ("{update, m, hard}", "hard", "`update`: a change is soft or {advanced, Extra}"),
        ("{update, m, {advanced}}", "{advanced}", "`update`: a change is soft or {advanced, Extra}"),
        ("{update, m, soft, x}", "{update, m, soft, x}", "`update`: this is none of its forms"),
        ("{update, m, [1]}", "1", "`update`: a module is an atom"),
        (
            "{update, m, soft, purge, soft_purge, []}",
            "purge",
            "`update`: purging is soft_purge or brutal_purge",
        ),
        (
            "{update, m, 0, soft, soft_purge, soft_purge, []}",
            "0",
            "`update`: a timeout is default, infinity or a number above 0",
        ),
        (
            "{update, m, odd, default, soft, soft_purge, soft_purge, []}",
            "odd",
            "`update`: the kind of a module is static or dynamic",
        ),
        (
            "{update, m, supervisor, soft_purge, soft_purge, []}",
            "supervisor",
            "`update`: a change is soft or {advanced, Extra}",
        ),
        ("{load_module, m, n}", "n", "`load_module`: modules are a list"),
        (
            "{load_module, m, soft_purge, soft, []}",
            "soft",
            "`load_module`: purging is soft_purge or brutal_purge",
        ),
        ("{add_module}", "{add_module}", "`add_module`: this is none of its forms"),
        ("{delete_module, m, [a|b]}", "[a|b]", "`delete_module`: modules are a list"),
        (
            "{add_application, a, often}",
            "often",
            "`add_application`: how it is started is permanent or transient or temporary or load or none",
        ),
        ("{remove_application, \"a\"}", "\"a\"", "`remove_application`: an application is an atom"),
        (
            "{restart_application}",
            "{restart_application}",
            "`restart_application`: this is none of its forms",
        ),
        (
            "{load_object_code, {a, v, []}}",
            "v",
            "`load_object_code`: the version of an application is a string",
        ),
        ("{load_object_code, a}", "{load_object_code, a}", "`load_object_code`: this is none of its forms"),
        ("{point_of_no_return}", "{point_of_no_return}", "`point_of_no_return`: this is none of its forms"),
        ("{load, {m, soft_purge}}", "{load, {m, soft_purge}}", "`load`: this is none of its forms"),
        ("{remove, {1, soft_purge, soft_purge}}", "1", "`remove`: a module is an atom"),
        ("{purge, m}", "m", "`purge`: modules are a list"),
        ("{suspend, [{m, soon}]}", "soon", "`suspend`: a timeout is default, infinity or a number above 0"),
        ("{resume, []  , 1}", "{resume, []  , 1}", "`resume`: this is none of its forms"),
        ("{code_change, [m]}", "m", "`code_change`: what changes is {Module, Extra}"),
        ("{code_change, sideways, []}", "sideways", "`code_change`: the direction is up or down"),
        ("{stop, [1]}", "1", "`stop`: a module is an atom"),
        ("{start, x}", "x", "`start`: modules are a list"),
        ("{sync_nodes, id, [1]}", "1", "`sync_nodes`: a node is an atom"),
        ("{sync_nodes, id}", "{sync_nodes, id}", "`sync_nodes`: this is none of its forms"),
        ("{apply, {m, f, x}}", "x", "`apply`: arguments are a list"),
        ("{apply, {m, \"f\", []}}", "\"f\"", "`apply`: a function is an atom"),
        (
            "{restart_new_emulator, now}",
            "{restart_new_emulator, now}",
            "`restart_new_emulator`: this is none of its forms",
        ),
        ("{restart_emulator}", "{restart_emulator}", "`restart_emulator`: this is none of its forms"),
    ] {
        let name = expected.split('`').nth(1).unwrap_or_default();
        let forms = INSTRUCTIONS.iter().find(|known| known.name == name).expect(name).forms.join(", ");
        let expected = format!("R0207 `{at}` {expected}\nhelp: its forms: {forms}");
        assert_eq!(told(&read(&source(&with(text))).expect_err(text)), expected, "{text}");
    }
}

/// Returns what is known of a project with the application `shop`, its machines `till` and `desk`, and
/// predecessors with 1.0.0 and 1.1.0 of it.
fn facts(templates: &[(&str, &str)]) -> Facts {
    let version = |text: &str| text.parse().expect("a version");
    let template = |(machine, from): &(&str, &str)| {
        let text = format!("migration {machine} from \"{from}\"\n\nadd State.note = ?\n");
        ((machine.parse().expect("a name"), version(from)), text)
    };
    Facts {
        app: "shop".parse().expect("a name"),
        version: version("2.0.0"),
        modules: BTreeMap::from([
            ("shop_srv".to_owned(), "shop/till".parse().expect("an address")),
            ("pay_srv".to_owned(), "pay/account".parse().expect("an address")),
        ]),
        machines: Some(["till", "desk"].map(|name| name.parse().expect("a name")).into()),
        released: Some(BTreeSet::from([version("1.0.0"), version("1.1.0")])),
        existing: ours::Appup::default(),
        templates: Templates::Known(templates.iter().map(template).collect()),
    }
}

fn translated(text: &str, facts: &Facts) -> Imported {
    let source = source(text);
    let appup = read(&source).unwrap_or_else(|faults| panic!("{}", told(&faults)));
    translate(&source, &appup, facts)
}

/// What becomes of each form of each instruction.
#[test]
fn each_form_of_each_instruction_is_told() {
    let path = "migrations/till-2.0.0-from-1.0.0.cam";
    let by_digest = "code that changed is found by its digest. Where the state changed too, a migration is asked for (OTP is content without: E13b)";
    let order = "; DepMods [a, b]: all machines go over in one step, so that no order among them is needed";
    let purging = "; purging: no instance is killed for its code";
    let why = |name: &str| INSTRUCTIONS.iter().find(|known| known.name == name).expect(name).why.to_owned();
    let holes = format!("the holes of {path}");
    let supervision =
        "how machines are looked after is `supervision` of app.toml; a change of it is part of the release";
    let written = |more: &str| (Outcome::Written, format!("{holes}{more}"));
    let follows = |text: &str| (Outcome::Follows, text.to_owned());
    let all: Vec<(&str, (Outcome, String))> = vec![
        ("{update, shop_srv}", follows(by_digest)),
        ("{update, shop_srv, [a, b]}", follows(&format!("{by_digest}{order}"))),
        ("{update, shop_srv, soft}", follows(by_digest)),
        ("{update, shop_srv, soft, [a, b]}", follows(&format!("{by_digest}{order}"))),
        ("{update, shop_srv, {advanced, []}}", written("")),
        ("{update, shop_srv, {advanced, #{a => b}}, [a, b]}", written(order)),
        ("{update, shop_sup, supervisor}", follows(supervision)),
        ("{update, shop_srv, soft, soft_purge, brutal_purge, []}", follows(&format!("{by_digest}{purging}"))),
        (
            "{update, shop_srv, 9000, {advanced, x}, soft_purge, soft_purge, [a, b]}",
            written(&format!("{order}{purging}; Timeout 9000: there is no suspend that could take too long")),
        ),
        ("{update, shop_srv, default, {advanced, x}, soft_purge, soft_purge, []}", written(purging)),
        (
            "{update, shop_srv, static, infinity, {advanced, x}, soft_purge, soft_purge, []}",
            written(&format!(
                "{purging}; static: each direction is a function of its own, and there is no moment between loading and migrating\
                 ; Timeout infinity: there is no suspend that could take too long"
            )),
        ),
        (
            "{update, desk, dynamic, default, {advanced, x}, soft_purge, soft_purge, []}",
            follows(&format!(
                "desk from 1.0.0 follows from the types, or did not change{purging}; dynamic: each direction is a function of its \
                 own, and there is no moment between loading and migrating"
            )),
        ),
        (
            "{update, stranger, {advanced, []}}",
            (
                Outcome::Open,
                "no machine stands for the module stranger: import again with `--machine stranger=APP/MACHINE`; a module \
                 that holds no state of yours needs none"
                    .to_owned(),
            ),
        ),
        ("{update, pay_srv, {advanced, []}}", (Outcome::Open, "pay/account is migrated by the appup of pay".to_owned())),
        ("{load_module, m}", follows(by_digest)),
        ("{load_module, m, [a, b]}", follows(&format!("{by_digest}{order}"))),
        ("{load_module, m, brutal_purge, soft_purge, [a, b]}", follows(&format!("{by_digest}{order}{purging}"))),
        ("{add_module, m}", follows(&why("add_module"))),
        ("{add_module, m, [a, b]}", follows(&format!("{}{order}", why("add_module")))),
        ("{delete_module, m}", follows(&why("delete_module"))),
        ("{delete_module, m, [a, b]}", follows(&format!("{}{order}", why("delete_module")))),
        ("{add_application, pay}", follows(&why("add_application"))),
        ("{add_application, pay, transient}", follows(&why("add_application"))),
        (
            "{add_application, pay, load}",
            (
                Outcome::Dropped,
                "every application of a release is started: leave pay out of `[apps]` if it is not to run".to_owned(),
            ),
        ),
        ("{remove_application, pay}", follows(&why("remove_application"))),
        (
            "{restart_application, shop}",
            (
                Outcome::Written,
                "`restart` of the entry: shop gives up its states, as here; take it out, and they are migrated"
                    .to_owned(),
            ),
        ),
        (
            "{restart_application, pay}",
            (Outcome::Open, "this is about pay: `restart = \"why\"` in its appup, if its state is to be given up".to_owned()),
        ),
        ("{load_object_code, {shop, \"2.0.0\", [m]}}", (Outcome::Dropped, why("load_object_code"))),
        ("point_of_no_return", (Outcome::Dropped, why("point_of_no_return"))),
        ("{load, {m, soft_purge, soft_purge}}", (Outcome::Dropped, why("load"))),
        ("{remove, {m, soft_purge, soft_purge}}", (Outcome::Dropped, why("remove"))),
        ("{purge, [m]}", (Outcome::Dropped, why("purge"))),
        ("{suspend, [m]}", (Outcome::Dropped, why("suspend"))),
        ("{suspend, [m, {n, 5000}]}", (Outcome::Dropped, why("suspend"))),
        ("{resume, [m]}", (Outcome::Dropped, why("resume"))),
        ("{code_change, [{shop_srv, []}]}", written("")),
        (
            "{code_change, up, [{shop_srv, []}, {desk, x}]}",
            written("; desk from 1.0.0 follows from the types, or did not change"),
        ),
        (
            "{stop, [m]}",
            (Outcome::Open, format!("{}. `restart = \"why\"` in the entry gives the state of shop up", why("stop"))),
        ),
        (
            "{start, [m]}",
            (Outcome::Open, format!("{}. `restart = \"why\"` in the entry gives the state of shop up", why("start"))),
        ),
        ("{sync_nodes, id, [a@b]}", (Outcome::Dropped, why("sync_nodes"))),
        ("{sync_nodes, id, {m, f, []}}", (Outcome::Dropped, why("sync_nodes"))),
        ("{apply, {m, f, [1]}}", (Outcome::Open, why("apply"))),
        ("restart_new_emulator", (Outcome::Dropped, why("restart_new_emulator"))),
        ("restart_emulator", (Outcome::Dropped, why("restart_emulator"))),
    ];
    for (instruction, expected) in &all {
        let imported = translated(&with(instruction), &facts(&[("till", "1.0.0")]));
        let note = &imported.entries[0].notes[0];
        assert_eq!((note.outcome, note.text.clone()), *expected, "{instruction}");
    }
    // No instruction of the list is forgotten.
    for known in INSTRUCTIONS {
        let forms = all.iter().filter(|(text, _)| {
            let name = text.trim_start_matches('{').split([',', '}']).next();
            name == Some(known.name)
        });
        assert!(forms.count() >= known.forms.len(), "{}", known.name);
    }
}

#[test]
fn which_versions_an_entry_is_for_is_told() {
    let covered = |entries: &str| {
        let imported = translated(&format!("{{\"2.0.0\",[{entries}],[]}}."), &facts(&[]));
        let last = imported.entries.last().expect("an entry").clone();
        let covered = match last.covered {
            Covered::Versions(versions) => {
                versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }
            Covered::Nothing(reason) => reason,
        };
        (covered, last.range.map(|range| range.to_string()), last.remarks)
    };
    let is = |text: &str| text.to_owned();
    assert_eq!(covered("{\"1.0.0\",[]}"), (is("1.0.0"), None, vec![]));
    // Erlang leaves zeros out.
    assert_eq!(covered("{\"1.1\",[]}"), (is("1.1.0"), None, vec![]));
    assert_eq!(
        covered("{\"0.9.0\",[]}").0,
        "no predecessor has shop 0.9.0: name the release that has it in `from` of release.toml, and import again"
    );
    assert_eq!(
        covered("{\"R13\",[]}").0,
        "a version here is a semantic version: `R13` is no semantic version such as 1.2.0: unexpected character 'R' while \
         parsing major version number"
    );
    assert_eq!(
        covered("{<<\".*\">>,[]}, {\"1.0.0\",[]}").0,
        "OTP never comes to it: <<\".*\">> stands before it and is for this version"
    );
    let range = Some(is("1.*"));
    let found = covered("{<<\"1\\\\.[0-9]+\\\\.[0-9]+\">>,[]}");
    assert_eq!(found, (is("1.0.0 1.1.0"), range.clone(), vec![is("it is the range `1.*`")]));
    // The first that fits counts: 1.0.0 is taken.
    assert_eq!(covered("{\"1.0.0\",[]}, {<<\"1\\\\.[0-9]+\\\\.[0-9]+\">>,[]}").0, "1.1.0");
    let pre = is("to Erlang it means pre-releases too, and the range does not");
    assert_eq!(
        covered("{<<\".*\">>,[]}"),
        (is("1.0.0 1.1.0"), Some(is("*")), vec![is("it is the range `*`"), pre])
    );
    // As Erlang calls it.
    assert_eq!(covered("{<<\"^1\\\\.1$\">>,[]}"), (is("1.1.0"), None, vec![is("it is the version 1.1.0")]));
    assert_eq!(
        covered("{<<\"1\\\\.[01]\">>,[]}"),
        (is("1.0.0 1.1.0"), None, vec![is("it is no range of semantic versions")])
    );
    // E23: the first match in 1.0.0 is `1.0.`.
    assert_eq!(
        covered("{<<\"1\\\\.0\\\\.|1\\\\.0\\\\.0\">>,[]}"),
        (
            is("it is for no version of shop that a predecessor has and no earlier entry is for"),
            None,
            vec![is("it is no range of semantic versions")]
        )
    );
    assert_eq!(
        covered("{<<\"^1\\\\.0\\\\.0(?:\\\\.[0-9]+)+$\">>,[]}").2,
        ["it is for versions of more than three numbers, which there are none of here"]
    );
    assert_eq!(
        covered("{<<\"(?i)1\">>,[]}").0,
        "this regular expression cannot be read here: it has flags, which this importer does not read; write an entry for each version"
    );
}

#[test]
fn where_up_and_down_disagree_is_told() {
    let differences = |up: &str, down: &str| {
        let text = format!("{{\"2.0.0\",[{{\"1.0.0\",[{up}]}}],[{down}]}}.");
        translated(&text, &facts(&[])).entries[0].differences.clone()
    };
    let back = |instructions: &str| format!("{{\"1.0.0\",[{instructions}]}}");
    assert_eq!(
        differences("{update,a,{advanced,[]}}", &back("{update,a,{advanced,[]}}")),
        Vec::<String>::new()
    );
    assert_eq!(
        differences(
            "{add_module,a}, {delete_module,b}, {add_application,c}, {remove_application,d}",
            &back("{remove_application,c}, {add_application,d}, {add_module,b}, {delete_module,a}")
        ),
        Vec::<String>::new()
    );
    assert_eq!(
        differences("", ""),
        [
            "DownTo has no way back to it; here a way back is asked for always, and `down (new) = fail \"why\"` says that there is none"
        ]
    );
    assert_eq!(
        differences("{update,a,{advanced,[]}}, {load_module,b}", &back("{load_module,a}, {add_module,c}")),
        [
            "a: update with [] on the way up, load_module on the way down",
            "b: load_module on the way up, nothing on the way down",
            "c: nothing on the way up, add_module on the way down"
        ]
    );
    // The first that fits, here too.
    let of_any = "{<<\".*\">>,[{load_module,a}]}, {\"1.0.0\",[]}";
    assert_eq!(differences("{load_module,a}", of_any), Vec::<String>::new());
    let lonely = translated("{\"2.0.0\",[],\n[{\"1.0.0\",[]}]}.", &facts(&[])).remarks;
    assert_eq!(
        lonely,
        [
            "line 2: a way back to \"1.0.0\" stands under DownTo, and UpFrom has no way from there: nothing is written for it"
        ]
    );
    assert_eq!(
        translated("{\"2.1\",[],[]}.", &facts(&[])).remarks,
        ["shop.appup is for shop \"2.1\", and the application here has the version 2.0.0"]
    );
}

/// E13b: the appup loads a module whose state changed, and OTP does not notice.
#[test]
fn a_migration_that_no_instruction_asks_for_is_written_all_the_same() {
    let facts = facts(&[("desk", "1.0.0")]);
    let imported = translated(&with("{load_module, desk}"), &facts);
    assert_eq!(
        imported.entries[0].remarks,
        [
            "shop/desk needs a migration from 1.0.0, which no instruction here asks for (OTP does not notice: E13b)"
        ]
    );
    let made = skeleton(&source(""), &imported, &facts, "", &|_| false);
    assert_eq!(made.migrations, BTreeMap::from([("migrations/desk-2.0.0-from-1.0.0.cam".to_owned(), 1)]));
}

const BOTH: &str = "{\"2.0.0\",
 [{\"1.0.0\",[{update,shop_srv,{advanced,[]}},{apply,{shop,reset,[]}}]},{\"0.1.0\",[]}],
 [{\"1.0.0\",[{update,shop_srv,{advanced,[]}}]},{\"0.1.0\",[]}]}.";

#[test]
fn a_skeleton_reads_back_and_is_written_once() {
    let facts = facts(&[("till", "1.0.0")]);
    let imported = translated(BOTH, &facts);
    let made = skeleton(&source(BOTH), &imported, &facts, "", &|_| false);
    let path = "migrations/till-2.0.0-from-1.0.0.cam";
    let expected = format!(
        "# shop.appup, from \"1.0.0\":
#   up {{update,shop_srv,{{advanced,[]}}}}
#     written: the holes of {path}
#   up {{apply,{{shop,reset,[]}}}}
#     for you: a function of Erlang cannot be translated, and what it did could not be undone. An input is recorded like any other
#     [[from.apply]]
#     machine = \"NAME\"
#     input = '\"Input\"'      # what the upgrade tells the machine
#     inverse = '\"Input\"'    # what undoes it
#   down {{update,shop_srv,{{advanced,[]}}}}
#     written: the holes of {path}
[[from]]
version = \"1.0.0\"

[from.machines.till]
migration = \"{path}\"

# shop.appup, from \"0.1.0\":
#   no entry: no predecessor has shop 0.1.0: name the release that has it in `from` of release.toml, and import again
"
    );
    assert_eq!(made.files["appup.toml"], expected);
    assert_eq!(
        made.files[path],
        "// shop.appup up: {update,shop_srv,{advanced,[]}}\n// shop.appup down: {update,shop_srv,{advanced,[]}}\n\
         migration till from \"1.0.0\"\n\nadd State.note = ?\n"
    );
    let existing = ours::read(&Source::new("appup.toml", expected.as_str())).expect("an appup.toml");
    assert_eq!(existing.from.len(), 1);

    // Again: nothing is written, and what was there is said.
    let facts = Facts { existing, ..facts };
    let again = skeleton(&source(BOTH), &translated(BOTH, &facts), &facts, &expected, &|_| true);
    assert_eq!(again.files, BTreeMap::new());
    assert_eq!(again.kept, ["the entry for 1.0.0", "the migration of till from 1.0.0"]);
}

#[test]
fn a_restart_is_a_restart_and_migrates_nothing() {
    let facts = facts(&[("till", "1.0.0")]);
    let text = with("{restart_application,shop}, {update,shop_srv,{advanced,[]}}");
    let imported = translated(&text, &facts);
    let dropped = &imported.entries[0].notes[1];
    assert_eq!(
        (dropped.outcome, dropped.text.as_str()),
        (Outcome::Dropped, "the entry restarts shop, so that nothing is migrated")
    );
    let made = skeleton(&source(&text), &imported, &facts, "", &|_| false);
    let read =
        ours::read(&Source::new("appup.toml", made.files["appup.toml"].as_str())).expect("an appup.toml");
    let from = &read.from[&"1.0.0".parse().expect("a version")];
    assert_eq!(from.restart.as_deref(), Some("restart_application in shop.appup"));
    assert_eq!((made.migrations.len(), made.files.len()), (0, 1));
    // On the way back alone, it is for a person to say.
    let back = "{\"2.0.0\",[{\"1.0.0\",[]}],[{\"1.0.0\",[{restart_application,shop}]}]}.";
    let imported = translated(back, &facts);
    assert!(!imported.entries[0].restarts);
    assert_eq!(imported.entries[0].notes[0].outcome, Outcome::Open);
}

#[test]
fn a_range_is_one_entry_where_nothing_is_to_be_migrated() {
    let written = |entries: &str, facts: &Facts, before: &str| {
        let text = format!("{{\"2.0.0\",[{entries}],[]}}.");
        let existing = ours::read(&Source::new("appup.toml", before)).expect("an appup.toml");
        let facts = Facts { existing, ..facts.clone() };
        let made = skeleton(&source(&text), &translated(&text, &facts), &facts, before, &|_| false);
        let after = made.files.get("appup.toml").map_or(before, String::as_str);
        let read = ours::read(&Source::new("appup.toml", after)).expect("an appup.toml");
        let ranges: Vec<String> =
            read.ranges.iter().map(|(range, from)| format!("{range} {:?}", from.restart.is_some())).collect();
        let versions: Vec<String> = read.from.keys().map(ToString::to_string).collect();
        ((ranges.join(", "), versions.join(", ")), made.kept, after.to_owned())
    };
    let both = |ranges: &str, versions: &str| (ranges.to_owned(), versions.to_owned());
    let plain = facts(&[]);
    let one = "{<<\"1\\\\.[0-9]+\\\\.[0-9]+\">>,[{restart_application,shop}]}";
    let (found, _, after) = written(one, &plain, "");
    assert_eq!(found, both("1.* true", ""));
    // Again.
    let (found, kept, _) = written(one, &plain, &after);
    assert_eq!((found, kept), (both("1.* true", ""), vec!["the entry for 1.*".to_owned()]));
    // What an earlier entry is for has its own.
    assert_eq!(written(&format!("{{\"1.0\",[]}}, {one}"), &plain, "").0, both("1.* true", "1.0.0"));
    // No version may be in two ranges.
    let two = "{<<\"1\\\\.0\\\\.[0-9]+\">>,[]}, {<<\".*\">>,[]}";
    assert_eq!(written(two, &plain, "").0, both("1.0.* false", "1.1.0"));
    // A migration is for one version.
    let migrated = "{<<\".*\">>,[{update,shop_srv,{advanced,[]}}]}";
    assert_eq!(written(migrated, &facts(&[("till", "1.0.0")]), "").0, both("", "1.0.0, 1.1.0"));
    // A range that somebody wrote stays the entry for what it takes in.
    let theirs = "[[from]]\nversions = \"^1.0\"\nrestart = \"mine\"\n";
    let (found, kept, _) = written("{\"1.0.0\",[]}", &plain, theirs);
    assert_eq!(
        (found, kept),
        (both("^1.0 true", ""), vec!["the entry for ^1.0, which takes 1.0.0 in,".to_owned()])
    );
    // Without a project, all that is known is the range.
    let unknown = Facts { released: None, ..plain };
    assert_eq!(written(two, &unknown, "").0, both("1.0.* false", ""));
}

#[test]
fn what_is_there_stays() {
    let facts = facts(&[("till", "1.0.0")]);
    let before =
        "# mine\n[[from]]\nversion = \"1.0.0\"\n\n[from.machines.desk]\npreserves_behaviour = true\n";
    let existing = ours::read(&Source::new("appup.toml", before)).expect("an appup.toml");
    let facts = Facts { existing, ..facts };
    let made = skeleton(&source(BOTH), &translated(BOTH, &facts), &facts, before, &|_| true);
    let after = &made.files["appup.toml"];
    assert!(after.starts_with(before.trim_end()), "{after}");
    let read = ours::read(&Source::new("appup.toml", after.as_str())).expect("an appup.toml");
    let from = &read.from[&"1.0.0".parse().expect("a version")];
    let migrated = from.machines.values().filter(|machine| machine.migration.is_some()).count();
    let preserving = from.machines.values().filter(|machine| machine.preserves).count();
    assert_eq!((migrated, preserving, read.from.len()), (1, 1, 1));
    // The migration is there, so that only its name is written.
    assert_eq!(made.files.len(), 1);
    assert_eq!(made.kept, ["the entry for 1.0.0", "migrations/till-2.0.0-from-1.0.0.cam"]);
}

#[test]
fn without_types_a_migration_is_all_holes() {
    let facts = Facts {
        templates: Templates::Unknown("there is no project".to_owned()),
        machines: None,
        released: None,
        ..facts(&[])
    };
    let text = with("{update, shop_srv, {advanced, {from, 1}}}");
    let imported = translated(&text, &facts);
    assert_eq!(imported.remarks, ["migrations are all holes: there is no project"]);
    let made = skeleton(&source(&text), &imported, &facts, "", &|_| false);
    assert_eq!(made.migrations, BTreeMap::from([("migrations/till-2.0.0-from-1.0.0.cam".to_owned(), 2)]));
    let written = &made.files["migrations/till-2.0.0-from-1.0.0.cam"];
    assert!(
        written.contains("// `Extra` was {from,1}: what it said belongs into these functions.\n"),
        "{written}"
    );
    assert!(written.contains("\nup (old) = ?\n") && written.contains("\ndown (new) = ?\n"), "{written}");
}

/// The applications of OTP itself, in the forms that they use.
#[test]
fn appups_in_the_manner_of_otp_are_read() {
    let text = "%% -*- erlang -*-\n%% %CopyrightBegin%\n%%\n{\"4.2\",\n [{<<\"^1\\\\.0$\">>,[restart_new_emulator]},\n  \
                {<<\"^1\\\\.0\\\\.0(?:\\\\.[0-9]+)+$\">>,[restart_new_emulator]},\n  \
                {<<\"^1\\\\.1\\\\.0(?:\\\\.[0-9]+)*$\">>,[restart_new_emulator]}],\n [{<<\"^1\\\\.0$\">>,[restart_new_emulator]}]}.\n";
    let imported = translated(text, &facts(&[]));
    let covered: Vec<&Covered> = imported.entries.iter().map(|entry| &entry.covered).collect();
    let version = |text: &str| Covered::Versions(vec![text.parse().expect("a version")]);
    assert_eq!((covered[0], covered[2]), (&version("1.0.0"), &version("1.1.0")));
    assert!(matches!(covered[1], Covered::Nothing(_)));
    assert!(imported.entries.iter().all(|entry| entry.notes[0].outcome == Outcome::Dropped));
    let any = "{\"8.2.3\",\n [{<<\".*\">>,[{restart_application, shop}]}],\n [{<<\".*\">>,[{restart_application, shop}]}]\n}.\n";
    assert!(translated(any, &facts(&[])).entries[0].restarts);
    assert_eq!(translated("{\"5.3\", [], []}.\n", &facts(&[])).entries.len(), 0);
}

#[test]
fn control_characters_do_not_leave_a_comment() {
    let text = with("{apply,{m,f,[\"a\u{1b}[31m\u{7}\"]}}");
    let facts = facts(&[]);
    let made = skeleton(&source(&text), &translated(&text, &facts), &facts, "", &|_| false);
    let written = &made.files["appup.toml"];
    assert!(ours::read(&Source::new("appup.toml", written.as_str())).is_ok(), "{written}");
    assert!(!written.contains(['\u{1b}', '\u{7}']));
}

/// Texts near those that are read: pieces of .appup files in any order.
fn near() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ".",
        "\"1.0.0\"",
        "<<\".*\">>",
        "update",
        "code_change",
        "{advanced,[]}",
        "soft",
        "x",
        "1",
        "$a",
        "#{",
        "=>",
        "|",
        "<<",
        ">>",
        "\"",
        "'",
        "%",
        "\n",
        "-",
        "/utf8",
        "apply",
        "{apply,{m,f,[]}}",
        "point_of_no_return",
        "é",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(source) = decode("x.appup", bytes) {
            let _ = read(&source);
        }
    }

    #[test]
    fn no_text_brings_it_down_and_what_is_read_makes_documents(text in prop_oneof![near(), near().prop_map(|near| with(&near))]) {
        let source = source(&text);
        let facts = facts(&[("till", "1.0.0")]);
        match read(&source) {
            Err(faults) => prop_assert!(!faults.is_empty()),
            Ok(appup) => {
                let made = skeleton(&source, &translate(&source, &appup, &facts), &facts, "", &|_| false);
                for (path, text) in made.files.iter().filter(|(path, _)| !path.contains('/')) {
                    let read = ours::read(&Source::new(path.as_str(), text.as_str()));
                    prop_assert!(read.is_ok(), "{}", text);
                }
            }
        }
    }
}

/// The table of the instructions in `docs/from-erlang.md`; `UPDATE_EXPECT=1` writes it anew.
#[test]
fn the_page_has_every_instruction() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/from-erlang.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let cell = |text: &str| text.replace('|', "\\|");
    let rows = INSTRUCTIONS.iter().map(|known| {
        let forms = known.forms.iter().map(|form| format!("`{form}`")).collect::<Vec<_>>().join("<br>");
        format!("| {} | {} | {} |\n", cell(&forms), cell(known.here), cell(known.why))
    });
    let table = format!("| in OTP | here | why |\n|---|---|---|\n{}", rows.collect::<String>());
    let (begin, end) = ("<!-- instructions: begin -->\n", "<!-- instructions: end -->");
    let (head, rest) = page.split_once(begin).expect("the mark where the table begins");
    let (found, tail) = rest.split_once(end).expect("the mark where it ends");
    if found != table && std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, format!("{head}{begin}{table}{end}{tail}")).expect("writable");
        return;
    }
    assert_eq!(found, table, "run with UPDATE_EXPECT=1 to write it anew");
}
