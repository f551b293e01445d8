//! `camshaft explain CODE`.

use camshaft_cam::derive::{RULES, RuleText};
use camshaft_cam::diagnostic::did_you_mean;
use serde::Serialize;

use crate::failure::Failure;
use crate::talk::Talk;

/// The explanations of codes of the language and of the relup checker's rules; those of documents and
/// projects stand in tables of `manifests` and `releases`.
const TEXT: &str = include_str!("explain.md");

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The code, such as E0201; all codes when there is none
    code: Option<String>,
}

/// What there is to say about a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Explanation {
    code: String,
    title: String,
    text: String,
}

/// Prints the explanation of a code, or the list of codes.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let all = explanations();
    let Some(asked) = &args.code else {
        let list: Vec<String> = all.iter().map(|one| format!("{}  {}", one.code, one.title)).collect();
        talk.result(&all, list.join("\n"));
        return Ok(());
    };
    let code = asked.to_uppercase();
    let Some(found) = all.iter().find(|one| one.code == code) else {
        let hint = match did_you_mean(&code, all.iter().map(|one| one.code.as_str())) {
            Some(near) => format!("did you mean {near}? camshaft explain lists all codes"),
            None => "camshaft explain lists all codes".to_owned(),
        };
        return Err(Failure::refused(format!("there is no code `{asked}`"), hint));
    };
    let text = format!("{}: {}\n\n{}", found.code, found.title, found.text);
    talk.result(found, text.trim_end());
    Ok(())
}

fn explanations() -> Vec<Explanation> {
    let mut all: Vec<Explanation> = TEXT
        .split("## ")
        .filter_map(|section| {
            let (head, text) = section.split_once('\n')?;
            let (code, title) = head.split_once(": ")?;
            Some(Explanation { code: code.into(), title: title.into(), text: text.trim().into() })
        })
        .collect();
    let tables = camshaft_manifests::CODES
        .iter()
        .chain(camshaft_releases::project::CODES)
        .chain(camshaft_releases::import::CODES);
    all.extend(tables.map(|(code, meaning)| Explanation {
        code: (*code).into(),
        title: (*meaning).into(),
        text: String::new(),
    }));
    all.extend(RULES.iter().map(explain_rule));
    all
}

/// Explains a rule of compatibility.
fn explain_rule(rule: &RuleText) -> Explanation {
    let RuleText { rule, change, up, down, input, output, class, mend } = rule;
    let mut text = format!(
        "states up: {up}\nstates down: {down}\nold inputs: {input}\nanswers to old clients: {output}\nclass: {class}"
    );
    if !mend.is_empty() {
        text += &format!("\n\n{mend}");
    }
    Explanation { code: rule.to_string(), title: (*change).into(), text }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_section_is_an_explanation_and_no_code_stands_twice() {
        let all = explanations();
        let tables = camshaft_manifests::CODES.len()
            + camshaft_releases::project::CODES.len()
            + camshaft_releases::import::CODES.len()
            + RULES.len();
        assert_eq!(TEXT.matches("## ").count() + tables, all.len());
        let codes: BTreeSet<&str> = all.iter().map(|one| one.code.as_str()).collect();
        assert_eq!(codes.len(), all.len());
    }

    #[test]
    fn the_page_of_releases_names_codes_that_there_are() {
        let page = include_str!("../../../docs/releases.md");
        let table = page.split("## What is checked").nth(1).expect("the section is there");
        let known: Vec<String> = explanations().iter().map(|one| one.code.to_string()).collect();
        let is_code = |word: &&str| {
            let (letter, digits) = word.split_at(word.len().min(1));
            matches!(letter, "C" | "E" | "M" | "R" | "U")
                && digits.len() > 1
                && digits.chars().all(|c| c.is_ascii_digit())
        };
        let named: Vec<&str> = table.split('`').filter(is_code).collect();
        assert!(named.len() > 30, "the table names {} codes", named.len());
        for code in named {
            assert!(known.iter().any(|one| one == code), "{code} is explained nowhere");
        }
    }

    #[test]
    fn every_rule_of_the_relup_checker_is_explained() {
        let all = explanations();
        for rule in camshaft_releases::check::RULES {
            let found = all.iter().find(|one| one.code == rule);
            assert!(found.is_some_and(|one| !one.text.is_empty()), "{rule} has no section in explain.md");
        }
        let known = |code: &str| camshaft_releases::check::RULES.contains(&code);
        let of_checker = |code: &str| code.len() == 3 && code.starts_with('C');
        let mut idle = all.iter().filter(|one| of_checker(&one.code) && !known(&one.code));
        assert_eq!(idle.next(), None, "there is no such rule");
    }
}
