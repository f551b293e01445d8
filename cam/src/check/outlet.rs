//! Outlets: the channels and ports of a machine, and what `send` and `call` ask of them.
//!
//! A channel leads to another machine of the release, a port out of the node. Both have the
//! machine's own types of message and answer, and share their names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Checked, Checker, Reported};
use crate::code::EffectKind;
use crate::diagnostic::{Span, did_you_mean};
use crate::hir::Expr;
use crate::syntax::ast::{self, Item, MachineFile, Name};
use crate::ty::{Kind, Ty};

/// A checked channel.
#[derive(Debug)]
pub struct CheckedChannel {
    /// The name.
    pub name: Arc<str>,
    /// `app/machine`
    pub target: Arc<str>,
    /// True when sends name a key.
    pub keyed: bool,
    /// The type of the messages.
    pub message: Ty,
    /// The input case that takes answers, and the type of an answer.
    pub answer: Option<(u32, Ty)>,
}

/// A checked port.
#[derive(Debug)]
pub struct CheckedPort {
    /// The name.
    pub name: Arc<str>,
    /// True when calls name a key.
    pub keyed: bool,
    /// The type of the messages.
    pub message: Ty,
    /// The input case that takes answers, and the type of an answer.
    pub answer: Option<(u32, Ty)>,
}

/// Which of the two an outlet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutletKind {
    Channel,
    Port,
}

impl OutletKind {
    fn word(self) -> &'static str {
        match self {
            OutletKind::Channel => "channel",
            OutletKind::Port => "port",
        }
    }

    /// The statement that uses it.
    fn verb(self) -> &'static str {
        match self {
            OutletKind::Channel => "send",
            OutletKind::Port => "call",
        }
    }
}

/// An outlet that may be used.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    kind: OutletKind,
    message: Ty,
    /// Known from the first use.
    keyed: Option<(bool, Span)>,
}

/// The channels and ports of a machine, in the order of their indices: by name.
type Outlets = (Vec<CheckedChannel>, Vec<CheckedPort>);

/// What channels and ports declare alike.
struct Declared<'f> {
    kind: OutletKind,
    name: &'f Name,
    message: &'f ast::TypeExpr,
    answer: Option<&'f Name>,
}

impl Checker<'_> {
    /// Takes the channels and ports of a machine.
    pub(super) fn declare_outlets(
        &mut self,
        file: &MachineFile,
        input: &Ty,
        internal: &[bool],
    ) -> Checked<Outlets> {
        let (mut channels, mut ports) = (BTreeMap::new(), BTreeMap::new());
        let mut faulty = false;
        for item in &file.items {
            let result = match item {
                Item::Channel(channel) => {
                    let declared = Declared {
                        kind: OutletKind::Channel,
                        name: &channel.name,
                        message: &channel.message,
                        answer: channel.answer.as_ref(),
                    };
                    self.outlet(&declared, input, internal).map(|(message, answer)| {
                        let name = channel.name.text.clone();
                        let target = format!("{}/{}", channel.app.text, channel.machine.text).into();
                        let checked =
                            CheckedChannel { name: name.clone(), target, keyed: false, message, answer };
                        channels.insert(name, checked);
                    })
                }
                Item::Port(port) => {
                    let declared = Declared {
                        kind: OutletKind::Port,
                        name: &port.name,
                        message: &port.message,
                        answer: port.answer.as_ref(),
                    };
                    self.outlet(&declared, input, internal).map(|(message, answer)| {
                        let name = port.name.text.clone();
                        ports.insert(name.clone(), CheckedPort { name, keyed: false, message, answer });
                    })
                }
                _ => continue,
            };
            faulty |= result.is_err();
        }
        if faulty {
            Err(Reported)
        } else {
            Ok((channels.into_values().collect(), ports.into_values().collect()))
        }
    }

    /// Checks what channels and ports declare alike, and lets it be used.
    fn outlet(
        &mut self,
        declared: &Declared<'_>,
        input: &Ty,
        internal: &[bool],
    ) -> Checked<(Ty, Option<(u32, Ty)>)> {
        let name = declared.name;
        if self.outlets.contains_key(&name.text) {
            let diagnostic = self
                .diagnostic(
                    "E0229",
                    &name.span,
                    format!("the {} `{}` stands twice", declared.kind.word(), name.text),
                    "here again",
                )
                .help("channels and ports share their names: choose another");
            return Err(self.fault(diagnostic));
        }
        // Until it is known to be good, uses of it are silent.
        self.outlets.insert(name.text.clone(), None);
        let message = self.resolve(declared.message);
        let answer = declared.answer.map(|case| self.answer_case(case, input, internal)).transpose();
        let (message, answer) = (message?, answer?);
        if message.as_variant().is_none() {
            let word = declared.kind.word();
            let diagnostic = self
                .diagnostic("E0226", &name.span, format!("the messages of a {word} are a variant"), "not a variant")
                .help(match declared.kind {
                    OutletKind::Channel => {
                        "declare the inputs of the receiver that are sent: `type Bill = Charge { cents: Int }`"
                    }
                    OutletKind::Port => "declare what can be called: `type Mail = Letter { to: Text }`",
                });
            return Err(self.fault(diagnostic));
        }
        let outlet = Outlet { kind: declared.kind, message: message.clone(), keyed: None };
        self.outlets.insert(name.text.clone(), Some(outlet));
        Ok((message, answer))
    }

    /// Returns the outlets with what their uses say about keys.
    pub(super) fn used_outlets(&self, (mut channels, mut ports): Outlets) -> Outlets {
        let keyed = |name: &Arc<str>| {
            let outlet = self.outlets.get(name).and_then(Option::as_ref);
            outlet.and_then(|outlet| outlet.keyed.as_ref()).is_some_and(|(keyed, _)| *keyed)
        };
        channels.iter_mut().for_each(|channel| channel.keyed = keyed(&channel.name));
        ports.iter_mut().for_each(|port| port.keyed = keyed(&port.name));
        (channels, ports)
    }

    /// Checks a `send` or a `call`.
    pub(super) fn emit_on(
        &mut self,
        kind: OutletKind,
        name: &Name,
        key: Option<&ast::Expr>,
        message: &ast::Expr,
        span: &Span,
    ) -> Checked<Expr> {
        self.allowed(span)?;
        let found = self.named_outlet(kind, name)?;
        self.use_key(&name.text, &found, key.is_some(), span)?;
        let index = self.index_of(kind, &name.text);
        let key = key.map(|key| self.expr(key, Some(&Ty::text()))).transpose();
        let message = self.expr(message, Some(&found.message));
        let payload = match (key?, message?) {
            (None, message) => message,
            (Some(key), message) => {
                let ty = self.build(Kind::Tuple(vec![Ty::text(), message.ty.clone()]), span)?;
                super::expr::product(vec![key, message], ty, span)
            }
        };
        let effect = match kind {
            OutletKind::Channel => EffectKind::Send(index),
            OutletKind::Port => EffectKind::Call(index),
        };
        Ok(super::effect::emit(effect, payload, span))
    }

    fn named_outlet(&mut self, kind: OutletKind, name: &Name) -> Checked<Outlet> {
        match self.outlets.get(&name.text).cloned() {
            None => Err(self.no_outlet(kind, name)),
            Some(None) => Err(Reported),
            Some(Some(found)) if found.kind != kind => Err(self.other_outlet(found.kind, kind, name)),
            Some(Some(found)) => Ok(found),
        }
    }

    /// Returns what a name of a test stands for, if it is an outlet.
    pub(super) fn outlet_kind(&self, name: &Name) -> Option<OutletKind> {
        self.outlets.get(&name.text).and_then(Option::as_ref).map(|found| found.kind)
    }

    /// Finds the outlet that a test names, and checks its key. `any`: without a key it stands for
    /// all keys.
    pub(super) fn observed_outlet(
        &mut self,
        kind: OutletKind,
        name: &Name,
        keyed: bool,
        any: bool,
    ) -> Checked<u32> {
        let found = self.named_outlet(kind, name)?;
        if keyed || !any {
            self.use_key(&name.text, &found, keyed, &name.span)?;
        }
        Ok(self.index_of(kind, &name.text))
    }

    fn no_outlet(&mut self, kind: OutletKind, name: &Name) -> Reported {
        let known =
            self.outlets.iter().filter(|(_, outlet)| outlet.as_ref().is_none_or(|known| known.kind == kind));
        let near = did_you_mean(&name.text, known.map(|(name, _)| &**name));
        let help = match (near, kind) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, OutletKind::Channel) => {
                format!("declare it: `channel {} = app/machine(Message)`", name.text)
            }
            (None, OutletKind::Port) => format!("declare it: `port {}(Message)`", name.text),
        };
        let message = format!("there is no {} `{}`", kind.word(), name.text);
        let diagnostic = self.diagnostic("E0217", &name.span, message, "not declared").help(help);
        self.fault(diagnostic)
    }

    fn other_outlet(&mut self, is: OutletKind, used: OutletKind, name: &Name) -> Reported {
        let message = format!("`{}` is a {}, not a {}", name.text, is.word(), used.word());
        let label = format!("a {} is used with `{}`", is.word(), is.verb());
        let help = format!("write `{} {} ...`", is.verb(), name.text);
        let diagnostic = self.diagnostic("E0217", &name.span, message, label).help(help);
        self.fault(diagnostic)
    }

    /// Checks that all uses of an outlet name a key, or none.
    fn use_key(&mut self, name: &Arc<str>, found: &Outlet, keyed: bool, span: &Span) -> Checked<()> {
        match &found.keyed {
            Some((before, first)) if *before != keyed => {
                let diagnostic = self
                    .diagnostic(
                        "E0227",
                        span,
                        format!("`{name}` is used with a key in one place and without in another"),
                        if keyed { "with a key here" } else { "without a key here" },
                    )
                    .related(first.clone(), "and the other way here");
                return Err(self.fault(diagnostic));
            }
            Some(_) => {}
            None => {
                if let Some(Some(outlet)) = self.outlets.get_mut(name) {
                    outlet.keyed = Some((keyed, span.clone()));
                }
            }
        }
        Ok(())
    }

    /// Returns the index of an outlet among those of its kind.
    fn index_of(&self, kind: OutletKind, name: &Arc<str>) -> u32 {
        let alike =
            self.outlets.iter().filter(|(_, outlet)| outlet.as_ref().is_some_and(|known| known.kind == kind));
        let index = alike.map(|(name, _)| name).position(|known| known == name);
        u32::try_from(index.expect("the caller found it")).expect("fewer outlets than bytes of source")
    }

    /// Returns the case that takes answers and the type of an answer.
    fn answer_case(&mut self, name: &ast::Name, input: &Ty, internal: &[bool]) -> Checked<(u32, Ty)> {
        let (case, payload) = self.case_of(input, name)?;
        let help = format!(
            "declare it so: `internal {} {{ from: Text, answer: Option(...) }}`; None says that there is no answer",
            name.text
        );
        if !internal.get(case as usize).copied().unwrap_or(false) {
            let diagnostic = self
                .diagnostic(
                    "E0226",
                    &name.span,
                    format!("`{}` is not internal", name.text),
                    "answers come from inside",
                )
                .help(help);
            return Err(self.fault(diagnostic));
        }
        let answer = payload.as_record().and_then(|record| {
            let answer = &record.fields[record.index("answer")?].ty;
            let only = record.fields.iter().all(|field| match &*field.label {
                "answer" => true,
                "from" => field.ty == Ty::text(),
                _ => false,
            });
            match answer.kind() {
                Kind::Option(answer) if only => Some(answer.clone()),
                _ => None,
            }
        });
        match answer {
            Some(answer) => Ok((case, answer)),
            None => {
                let diagnostic = self
                    .diagnostic(
                        "E0226",
                        &name.span,
                        format!("`{}` cannot take answers", name.text),
                        "not the right fields",
                    )
                    .help(help);
                Err(self.fault(diagnostic))
            }
        }
    }
}
