//! What generated programs ask of the world: channels, ports, and the statements of `on` blocks.

use crate::ty::{Case, Field, Kind, Record, Ty, Variant};

use super::Generator;
use super::expr::{Ex, TIGHT};
use super::types::{Made, sure};

/// A channel or a port.
#[derive(Debug, Clone)]
pub(super) struct Outlet {
    name: String,
    verb: &'static str,
    keyed: bool,
    message: Ty,
}

/// A case of the input: its name, what it holds, and whether it comes from inside only.
pub(super) type InputCase = (String, Ty, bool);

impl Generator {
    /// Declares channels and ports. Returns their text, and the inputs from inside.
    pub(super) fn declare_outlets(&mut self) -> (String, Vec<InputCase>) {
        let mut text = String::new();
        let mut cases = vec![];
        for number in 0..self.choices.index(3) {
            let opened = self.choices.open(10);
            let message = self.message(number);
            let answer = self.choices.chance(50).then(|| self.any_ty(1, Made::Freely));
            let arrow = answer.as_ref().map_or_else(String::new, |_| format!(" -> Told{number}"));
            if let Some(answer) = answer {
                cases.push((format!("Told{number}"), self.answer(&answer), true));
            }
            let is_port = self.choices.chance(40);
            // The order of their names is not that of their declarations.
            let name = format!("{}{number}", if self.choices.chance(50) { "out" } else { "a_out" });
            text += &self.declare(&format!("Message{number}"), &message);
            text += &match is_port {
                true => format!("port {name}(Message{number}){arrow}\n"),
                false => format!("channel {name} = far/away(Message{number}){arrow}\n"),
            };
            let verb = if is_port { "call" } else { "send" };
            self.outlets.push(Outlet { name, verb, keyed: self.choices.chance(50), message });
            self.choices.close(opened);
        }
        if self.choices.chance(40) {
            cases.push(("Tick".to_owned(), self.payload(1), true));
        }
        (text, cases)
    }

    fn message(&mut self, number: usize) -> Ty {
        let count = 1 + self.choices.index(3);
        let cases = (0..count).map(|index| Case {
            label: format!("Say{number}{}", ["A", "B", "C"][index]).into(),
            ordinal: index as u32,
            payload: self.payload(1),
        });
        let cases = cases.collect();
        sure(Kind::Variant(Variant { cases }))
    }

    fn answer(&mut self, answer: &Ty) -> Ty {
        let field = |label: &str, ordinal, ty| Field { label: label.into(), ordinal, ty, default: None };
        let option = sure(Kind::Option(answer.clone()));
        let fields = match self.choices.chance(70) {
            false => vec![field("answer", 0, option)],
            true => vec![field("from", 0, Ty::text()), field("answer", 1, option)],
        };
        let declared = (0..).take(fields.len()).collect();
        sure(Kind::Record(Record { fields, declared }))
    }

    /// Makes some statements; their names stay in scope.
    pub(super) fn effects(&mut self, depth: u32) -> String {
        let mut text = String::new();
        for _ in 0..1 + self.choices.index(3) {
            let opened = self.choices.open(11);
            text += &self.effect(depth);
            self.choices.close(opened);
        }
        text
    }

    fn effect(&mut self, depth: u32) -> String {
        let deep = u32::from(depth > 0 && self.budget > 0);
        let outlets = if self.outlets.is_empty() { 0 } else { 6 };
        let weights = [4, 3, 2, outlets, 1, 4 * deep, 3 * deep, 2 * deep, 2 * deep, deep];
        let text = match self.choices.weighted(&weights) {
            0 => format!("log {}", self.short_text().text),
            1 => {
                let (name, after) = (self.short_text(), self.check(&Ty::duration(), 2));
                let input = self.input.clone();
                let input = self.check(&input, 2);
                format!("timer {} after {} => {}", name.text, after.text, input.text)
            }
            2 => format!("cancel {}", self.short_text().text),
            3 => self.emit(),
            4 => "stop".to_owned(),
            5 => return self.let_statement(3),
            6 => {
                let condition = self.check(&Ty::bool(), 3).head();
                let yes = self.block(depth - 1);
                match self.choices.chance(50) {
                    false => format!("if {condition} {yes}"),
                    true => format!("if {condition} {yes} else {}", self.block(depth - 1)),
                }
            }
            7 => return self.for_each(depth - 1),
            8 => self.match_effects(depth - 1),
            _ => {
                let why = self.short_text();
                let condition = self.check(&Ty::bool(), 2).head();
                format!("if {condition} {{ fail {} }}", why.text)
            }
        };
        text + &self.separator(";")
    }

    fn short_text(&mut self) -> Ex {
        self.check(&Ty::text(), 2)
    }

    fn block(&mut self, depth: u32) -> String {
        let effects = self.scoped(|generator| generator.effects(depth));
        format!("{{ {effects}}}")
    }

    fn emit(&mut self) -> String {
        let index = self.choices.index(self.outlets.len());
        let Outlet { name, verb, keyed, message } = self.outlets[index].clone();
        let key = if keyed { format!("[{}]", self.short_text().text) } else { String::new() };
        let message = self.check(&message, 3);
        // A bracket would be that of a key.
        let message =
            if message.text.starts_with('[') { format!("({})", message.text) } else { message.at(TIGHT) };
        format!("{verb} {name}{key} {message}")
    }

    fn for_each(&mut self, depth: u32) -> String {
        let loops = |path: &Ex| matches!(path.ty.kind(), Kind::List { .. } | Kind::Map { .. });
        let found: Vec<Ex> = self.paths().into_iter().filter(loops).collect();
        let over = match found.is_empty() || self.choices.chance(30) {
            true => self.infer(&sure(Kind::List { item: Ty::int(), max: None }), 2),
            false => self.choices.pick(&found).clone(),
        };
        let item = match over.ty.kind() {
            Kind::List { item, .. } => item.clone(),
            Kind::Map { key, value } => super::expr::pair(key, value),
            _ => unreachable!("lists and maps were looked for"),
        };
        let (text, separator) = self.scoped(|generator| {
            let (pattern, vars) = generator.whole_pattern(&item).into_parts();
            generator.vars.extend(vars);
            (format!("for {pattern} in {} {}", over.head(), generator.block(depth)), generator.separator(";"))
        });
        text + &separator
    }

    fn match_effects(&mut self, depth: u32) -> String {
        let over = self.pick_ty();
        let scrutinee = self.infer(&over, 2).head();
        let mut text = String::new();
        for pat in self.arms(&over) {
            let (pattern, vars) = pat.into_parts();
            let body = self.scoped(|generator| {
                generator.vars.extend(vars);
                if generator.choices.chance(30) { "()".to_owned() } else { generator.block(depth) }
            });
            text += &format!("{pattern} => {body}{}", self.separator(","));
        }
        format!("match {scrutinee} {{ {text}}}")
    }
}
