//! Reach, case by case.

use super::machine;
use crate::facts::Answers;
use crate::ty::Ty;
use crate::verify::VerifiedMachine;

const HEAD: &str = "machine test
type State = { a: Int, b: Int, words: List(Text) = [], seen: Map(Text, Int) = [:] }
type Output = Ok | No | Sum(Int)
type Bill = Charge(Int)
type Paid = Yes | Off
channel bank = app/bank(Bill) -> Answered
channel other = app/other(Bill)
port mail(Bill)
init = { a: 0, b: 0 }
";

const TAIL: &str = "
on Answered { answer } => state
on Tick => state
";

/// Returns what the case `Go`, handled as the text says, can lead to, in words.
#[track_caller]
fn go(functions: &str, handler: &str) -> String {
    let head = HEAD;
    let input =
        "type Input = Go { n: Int, text: Text } | internal Tick | internal Answered { answer: Option(Paid) }";
    words(&machine(&format!("{head}{input}\n{functions}\non Go {{ n, text }} {handler}{TAIL}")), "Go")
}

/// Returns what a case can lead to, in words.
fn words(machine: &VerifiedMachine, case: &str) -> String {
    let case = machine.input().as_variant().and_then(|input| input.index(case)).expect("there is the case");
    let reach = machine.reach(case);
    let label =
        |ty: &Ty, case: u32| ty.as_variant().expect("a variant").cases[case as usize].label.to_string();
    let mut words: Vec<String> = match &reach.answers {
        Answers::Nobody => vec!["nobody".into()],
        Answers::Any => vec!["any".into()],
        Answers::Cases(cases) => cases.iter().map(|case| label(machine.output(), *case)).collect(),
    };
    let emits = &reach.emits;
    words.extend(
        emits.channels.iter().map(|index| format!("send {}", machine.channels()[*index as usize].name)),
    );
    words.extend(emits.ports.iter().map(|index| format!("call {}", machine.ports()[*index as usize].name)));
    words.extend(emits.timers.iter().map(|case| format!("timer {}", label(machine.input(), *case))));
    let flags =
        [(emits.cancels, "cancel"), (emits.logs, "log"), (emits.stops, "stop"), (reach.fails, "fail")];
    words.extend(flags.iter().filter(|(flag, _)| *flag).map(|(_, word)| (*word).to_owned()));
    words.extend(reach.writes.iter().map(|index| match machine.state().as_record() {
        Some(record) => format!("writes {}", record.fields[*index as usize].label),
        None => "writes".to_owned(),
    }));
    words.join(", ")
}

#[test]
fn a_case_that_only_answers_one_case_has_that_case() {
    assert_eq!(go("", "=> (state, Ok)"), "Ok");
    assert_eq!(go("", "=> (state, Sum(n))"), "Sum");
}

#[test]
fn branches_join_their_answers() {
    assert_eq!(go("", "=> (state, if n > 0 { Ok } else { No })"), "Ok, No");
    assert_eq!(go("", "{ if n > 0 { (state, Sum(1)) } else { (state, No) } }"), "No, Sum");
    assert_eq!(go("", "=> (state, match state.words[0] { Some(w) => Ok, None => No })"), "Ok, No");
}

#[test]
fn an_answer_may_come_out_of_a_function_or_a_name() {
    assert_eq!(go("fn how(n: Int) -> Output = if n > 0 { Ok } else { No }", "=> (state, how(n))"), "Ok, No");
    // The function makes No too, but not to be answered.
    assert_eq!(go("fn same(o: Output) -> Output = o", "{ let no = same(No); (state, same(Ok)) }"), "Ok");
    assert_eq!(
        go(
            "fn why(n: Int) -> Bool = No == (if n > 0 { Ok } else { No })",
            "=> (state, if why(n) { Ok } else { Ok })"
        ),
        "Ok"
    );
}

#[test]
fn a_function_keeps_what_its_arguments_are_known_to_be() {
    let or = "fn or(n: Int, a: Output, b: Output) -> Output = if n > 0 { a } else { b }";
    assert_eq!(go(or, "=> (state, or(n, Ok, Sum(n)))"), "Ok, Sum");
    assert_eq!(go(or, "=> (state, or(n, Ok, or(n, No, Ok)))"), "Ok, No");
    let either = "fn either(n: Int, s: State) -> State = if n > 0 { s } else { { ..s, a: 0 } }";
    assert_eq!(go(either, "=> (either(n, { ..state, b: 0 }), Ok)"), "Ok, writes a, writes b");
}

#[test]
fn a_match_on_what_is_known_leaves_its_other_arms_out() {
    let known = "{ let how = Ok; (state, match how { Ok => Sum(1), No => No, Sum(n) => No }) }";
    assert_eq!(go("", known), "Sum");
}

#[test]
fn an_answer_that_a_loop_carries_holds_of_every_round() {
    assert_eq!(go("", "=> (state, state.words.fold(Ok, (so_far, w) -> so_far))"), "Ok");
    assert_eq!(
        go("", "=> (state, state.words.fold(Ok, (so_far, w) -> if w == text { No } else { so_far }))"),
        "Ok, No"
    );
    // From Ok to No, and from No to Sum: only the second round comes there.
    let chain = "(so_far, w) -> match so_far { Ok => No, No => Sum(1), Sum(n) => Sum(n) }";
    assert_eq!(go("", &format!("=> (state, state.words.fold(Ok, {chain}))")), "Ok, No, Sum");
}

#[test]
fn an_output_out_of_a_list_may_be_any() {
    assert_eq!(go("", "=> (state, [Ok, Ok][0].or(Ok))"), "Ok, No, Sum");
}

#[test]
fn a_case_that_always_fails_answers_nothing() {
    assert_eq!(go("", "{ fail \"no\" }"), "fail");
    assert_eq!(go("fn no(n: Int) -> Output = fail \"no\"", "=> (state, no(n))"), "fail");
}

#[test]
fn a_failure_counts_where_a_run_may_come_to_it() {
    assert_eq!(go("", "{ if n > 0 { fail \"much\" } else { (state, Ok) } }"), "Ok, fail");
    assert_eq!(
        go("fn half(n: Int) -> Int = if n > 0 { n } else { fail \"no\" }", "=> (state, Sum(half(n)))"),
        "Sum, fail"
    );
    let never = "{ let how = Ok; (state, match how { Ok => Ok, No => fail \"no\", Sum(n) => Ok }) }";
    assert_eq!(go("", never), "Ok");
}

#[test]
fn a_failure_of_an_invariant_counts_for_every_case() {
    let invariant = "invariant \"small\" = if state.a > 9 { fail \"large\" } else { true }";
    assert_eq!(go(invariant, "=> (state, Ok)"), "Ok, fail");
}

#[test]
fn emissions_count_in_whichever_branch_they_stand() {
    assert_eq!(go("", "{ send bank Charge(1); (state, Ok) }"), "Ok, send bank");
    assert_eq!(go("", "{ if n > 0 { send other Charge(1) }; (state, Ok) }"), "Ok, send other");
    assert_eq!(
        go("", "{ call mail Charge(1); log text; cancel text; (state, Ok) }"),
        "Ok, call mail, cancel, log"
    );
    assert_eq!(go("", "{ for w in state.words { send bank Charge(n) }; (state, Ok) }"), "Ok, send bank");
    assert_eq!(go("", "{ if n > 0 { stop }; (state, Ok) }"), "Ok, stop");
    assert_eq!(go("", "{ timer text after 1m => Tick; (state, Ok) }"), "Ok, timer Tick");
}

#[test]
fn fields_that_stay_are_not_written() {
    assert_eq!(go("", "=> ({ ..state, a: n }, Ok)"), "Ok, writes a");
    assert_eq!(go("", "=> ({ ..state, a: n, words: [] }, Ok)"), "Ok, writes a, writes words");
    assert_eq!(go("", "=> ({ ..state, a: state.a }, Ok)"), "Ok");
    assert_eq!(
        go("", "=> ({ a: state.b, b: state.a, words: state.words, seen: state.seen }, Ok)"),
        "Ok, writes a, writes b"
    );
    assert_eq!(go("", "{ if n > 0 { ({ ..state, b: n }, Ok) } else { (state, No) } }"), "Ok, No, writes b");
    assert_eq!(
        go("fn set(s: State, n: Int) -> State = { ..s, b: n }", "=> (set(state, n), Ok)"),
        "Ok, writes b"
    );
    assert_eq!(go("", "=> ({ ..state, seen[text]: n }, Ok)"), "Ok, writes seen");
}

#[test]
fn a_state_that_a_loop_carries_keeps_the_fields_that_no_round_writes() {
    let handler = "=> (state.words.fold(state, (s, w) -> { ..s, a: s.a + 1 }), Ok)";
    assert_eq!(go("", handler), "Ok, writes a");
    let swap = "=> (state.words.fold(state, (s, w) -> { ..s, a: s.b, b: s.a }), Ok)";
    assert_eq!(go("", swap), "Ok, writes a, writes b");
}

#[test]
fn nobody_waits_for_an_answer_to_an_internal_case() {
    let input = "type Input = Go | internal Tick | internal Answered { answer: Option(Paid) }";
    let rest = "on Go => (state, Ok)\non Answered { answer } => { ..state, a: 1 }\non Tick { stop; state }";
    let machine = machine(&format!("{HEAD}{input}\n{rest}"));
    assert_eq!(words(&machine, "Answered"), "nobody, writes a");
    assert_eq!(words(&machine, "Tick"), "nobody, stop");
}

#[test]
fn an_output_that_is_no_variant_is_any_and_a_state_that_is_no_record_is_one() {
    let head = "machine test\ntype State = Int\ntype Output = Int\ntype Input = Add(Int) | Look\ninit = 0\n";
    let machine = machine(&format!("{head}on Add(n) => (state + n, state)\non Look => (state, state)"));
    assert_eq!(words(&machine, "Add"), "any, writes");
    assert_eq!(words(&machine, "Look"), "any");
}

#[test]
fn the_members_of_a_secret_state_are_told_apart_too() {
    let head = "machine test\ntype State = secret (Bool, Int)\ntype Output = Ok | No\ntype Input = Go | Stay\ninit = (false, 1)\n";
    let machine = machine(&format!("{head}on Go => ((false, 0), Ok)\non Stay => (state, Ok)"));
    assert_eq!(machine.reach(0).writes, [0, 1].into());
    assert_eq!(machine.reach(1).writes, [].into());
}

#[test]
fn an_output_out_of_the_state_may_be_any_case() {
    let head = "machine test\ntype State = { last: Output }\ntype Output = Ok | No\ntype Input = Go | Look\ninit = { last: Ok }\n";
    let machine =
        machine(&format!("{head}on Go => ({{ ..state, last: No }}, Ok)\non Look => (state, state.last)"));
    assert_eq!(words(&machine, "Go"), "Ok, writes last");
    assert_eq!(words(&machine, "Look"), "Ok, No");
}
