//! Tests and properties as text.

use super::{expr, pattern, ty};
use crate::syntax::ast::{Expr, Name};
use crate::syntax::suite::{Ends, Expected, Observed, TestDecl, TestStmt, TestStmtKind};

pub(super) fn test(test: &TestDecl) -> String {
    let params = test.params.as_ref().map(|params| {
        let params: Vec<String> =
            params.iter().map(|(name, of)| format!("{}: {}", name.text, ty(of))).collect();
        format!(" ({})", params.join(", "))
    });
    let word = if params.is_some() { "property" } else { "test" };
    let given: Vec<String> =
        test.given.iter().map(|given| format!("{} {}", given.what.text, expr(&given.value))).collect();
    let given = if given.is_empty() { String::new() } else { format!(" with {}", given.join(", ")) };
    format!("{word} {:?}{}{given} {}", test.name.text, params.unwrap_or_default(), block(&test.body))
}

fn block(body: &[TestStmt]) -> String {
    format!("{{ {} }}", body.iter().map(statement).collect::<Vec<_>>().join("; "))
}

fn statement(statement: &TestStmt) -> String {
    match &statement.kind {
        TestStmtKind::Let(of, value) => format!("let {} = {}", pattern(of), expr(value)),
        TestStmtKind::If(condition, yes, no) => {
            format!("if {} {} else {}", expr(condition), block(yes), block(no))
        }
        TestStmtKind::For(of, over, body) => {
            format!("for {} in {} {}", pattern(of), expr(over), block(body))
        }
        TestStmtKind::ForAll(may_trap, body) => {
            let words: Vec<&str> = may_trap.iter().map(|word| &*word.text).collect();
            format!("for all inputs [{}] {}", words.join(", "), block(body))
        }
        TestStmtKind::Run(input, end) => format!("run {}{}", expr(input), ends(end)),
        TestStmtKind::Advance(by, end) => format!("advance {}{}", expr(by), ends(end)),
        TestStmtKind::Answer { outlet, key, answer, ends: end } => {
            let word = if answer.is_some() { "answer" } else { "no answer" };
            format!("{word} {}{}{}", place(outlet, key), maybe(answer), ends(end))
        }
        TestStmtKind::Expect(Expected::Condition(condition)) => format!("expect {}", expr(condition)),
        TestStmtKind::Expect(Expected::Is(value, of, guard)) => {
            let guard = guard.as_ref().map_or(String::new(), |guard| format!(" if {}", expr(guard)));
            format!("expect {} is {}{guard}", expr(value), pattern(of))
        }
        TestStmtKind::Expect(Expected::Observed(what)) => format!("expect {}", observed(what)),
        TestStmtKind::ExpectNot(what) => format!("expect not {}", observed(what)),
        TestStmtKind::Assume(condition) => format!("assume {}", expr(condition)),
        TestStmtKind::Fail(why) => format!("fail {}", expr(why)),
    }
}

fn maybe(part: &Option<Expr>) -> String {
    part.as_ref().map_or(String::new(), |part| format!(" {}", expr(part)))
}

fn place(channel: &Name, key: &Option<Expr>) -> String {
    let key = key.as_ref().map_or(String::new(), |key| format!("[{}]", expr(key)));
    format!("{}{key}", channel.text)
}

fn ends(ends: &Ends) -> String {
    match ends {
        Ends::Well => String::new(),
        Ends::Gives(output) => format!(" gives {}", expr(output)),
        Ends::Traps(word, text) => format!(" traps {}{}", word.text, maybe(text)),
    }
}

fn observed(what: &Observed) -> String {
    match what {
        Observed::Sent(outlet, key, message) => emitted("sent", outlet, key, message),
        Observed::Called(outlet, key, message) => emitted("called", outlet, key, message),
        Observed::Logged(line) => format!("logged{}", maybe(line)),
        Observed::Timer(name, after, input) => {
            let after = after.as_ref().map_or(String::new(), |after| format!(" after {}", expr(after)));
            let input = input.as_ref().map_or(String::new(), |input| format!(" => {}", expr(input)));
            format!("timer{}{after}{input}", maybe(name))
        }
        Observed::Stopped => "stopped".to_owned(),
    }
}

fn emitted(word: &str, outlet: &Option<Name>, key: &Option<Expr>, message: &Option<Expr>) -> String {
    match outlet {
        None => word.to_owned(),
        Some(outlet) => format!("{word} {}{}", place(outlet, key), maybe(message)),
    }
}
