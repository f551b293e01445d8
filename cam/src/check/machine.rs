//! Machine files: that everything a machine needs is there, once, and fits together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::line::{Line, Retired, Returned, TooMuch};
use super::modules::{INPUT, Items, Modules};
use super::outlet::{CheckedChannel, CheckedPort};
use super::test::Around;
use super::{Bound, Checked, Checker, Reported, Signature, listed};
use crate::code::Module;
use crate::diagnostic::{Diagnostic, Source, Span, did_you_mean};
use crate::hir::{Expr, Function, FunctionId, Local};
use crate::suite::script::Script;
use crate::syntax::ast::{self, Item, MachineFile, PatternKind, TypeDecl};
use crate::ty::{Kind, Ty};

/// A checked machine.
#[derive(Debug)]
pub struct CheckedMachine {
    /// Its name.
    pub name: Arc<str>,
    /// True when there is an instance per key.
    pub keyed: bool,
    /// The type of the configuration.
    pub config: Ty,
    /// The type of the state.
    pub state: Ty,
    /// The type of the inputs.
    pub input: Ty,
    /// Per input case: internal or not.
    pub internal: Vec<bool>,
    /// The type of the outputs.
    pub output: Ty,
    /// The functions, callees first.
    pub functions: Vec<(FunctionId, Function)>,
    /// The first state.
    pub init: Function,
    /// Per input case, in their order.
    pub handlers: Vec<Function>,
    /// The invariants.
    pub invariants: Vec<(Arc<str>, Function)>,
    /// The channels, in the order of their indices.
    pub channels: Vec<CheckedChannel>,
    /// The ports, in the order of their indices.
    pub ports: Vec<CheckedPort>,
    /// The declared types, for the debug section.
    pub types: Vec<(Arc<str>, Ty)>,
    /// The names that earlier releases had and these types have not.
    pub(crate) retired: Vec<Retired>,
    /// Those of them that came back.
    pub returned: Vec<Returned>,
    /// The tests; no part of the compiled machine.
    pub(crate) tests: Vec<Script>,
}

/// The name under which the type of `config` is known to the next version.
pub(super) const CONFIG: &str = "config";

/// Checks a machine file.
///
/// # Errors
///
/// All faults of the file.
pub fn check(
    source: &Source,
    file: &MachineFile,
    predecessor: Option<&Module>,
) -> Result<CheckedMachine, Vec<Diagnostic>> {
    check_with(source, file, &Modules::default(), predecessor.as_slice())
}

/// Checks a machine file of an application with type modules.
///
/// # Errors
///
/// All faults of the file.
pub fn check_with(
    source: &Source,
    file: &MachineFile,
    modules: &Modules,
    predecessors: &[&Module],
) -> Result<CheckedMachine, Vec<Diagnostic>> {
    let mut checker = Checker::new(source);
    let items = Items::of_machine(file);
    let too_much = |TooMuch| {
        let message = "the types of a predecessor, and the names that they ever had, are too many to be kept";
        let fault = Diagnostic::new("E0302", source, file.name.span.clone(), message, "comes from it");
        vec![fault.help("give the machine another name: it begins a line of its own")]
    };
    let line = Line::of(predecessors).map_err(too_much)?;
    checker.begin(modules, &items, &line);
    match checker.machine(file, &items) {
        Ok(machine) if checker.errors.is_empty() => {
            let retired = line.left(&machine.types).map_err(too_much)?;
            Ok(CheckedMachine { retired, returned: checker.returned, ..machine })
        }
        _ => Err(checker.faults()),
    }
}

impl Checker<'_> {
    /// Returns what was reported, in the order of the text.
    pub(super) fn faults(mut self) -> Vec<Diagnostic> {
        assert!(!self.errors.is_empty(), "what was reported stands in the list");
        self.errors.sort_by_key(|error| error.span.start);
        self.errors
    }

    fn machine(&mut self, file: &MachineFile, items: &Items<'_>) -> Checked<CheckedMachine> {
        let keyed = self.key(file);
        self.declare_types(items.types.iter().copied());
        let config = self.config(file);
        let state = self.required_type(file, "State");
        let input = self.required_type(file, "Input");
        let output = match self.types.get("Output") {
            Some(output) => Ok(output.clone()),
            None if self.types.declares("Output") => Err(Reported),
            None => Ok(Ty::unit()),
        };
        let input = input.and_then(|input| self.input_variant(file, input));
        let internal = input.as_ref().map(|input| self.internal_cases(file, input)).unwrap_or_default();
        let declared_functions = self.declare_functions(items.functions.iter().copied());
        self.constants(&items.constants);
        let outlets = input.as_ref().ok().map(|input| self.declare_outlets(file, input, &internal));
        let functions = self.check_functions(items.functions.iter().copied(), declared_functions);
        let init = self.init(file, &config, &state);
        let invariants = self.invariants(file, &state);
        let handlers = match (&input, &state, &output, &config) {
            (Ok(input), Ok(state), Ok(output), Ok(config)) => {
                self.handlers(file, input, &internal, state, output, config)
            }
            _ => Err(Reported),
        };
        let outlets = outlets.unwrap_or(Err(Reported)).map(|outlets| self.used_outlets(outlets));
        let tests = match (&input, &state, &output, &config, &outlets) {
            (Ok(input), Ok(state), Ok(output), Ok(config), Ok((channels, ports))) => {
                let keyed = file.key.is_some();
                let internal = &internal;
                let around = Around { keyed, config, state, input, internal, output, channels, ports };
                self.tests(file, &around)
            }
            _ => Err(Reported),
        };
        let (channels, ports) = outlets?;
        let mut types = std::mem::take(&mut self.shared_types);
        types.extend_from_slice(&self.types.named()[self.imported_types..]);
        let config = config?;
        if config.as_record().is_some() {
            types.push((CONFIG.into(), config.clone()));
        }
        Ok(CheckedMachine {
            name: file.name.text.clone(),
            keyed: keyed?,
            config,
            state: state?,
            input: input?,
            internal,
            output: output?,
            functions: std::mem::take(&mut self.shared_functions).into_iter().chain(functions?).collect(),
            init: init?,
            handlers: handlers?,
            invariants: invariants?,
            channels,
            ports,
            types,
            retired: Vec::new(),
            returned: Vec::new(),
            tests: tests?,
        })
    }

    fn key(&mut self, file: &MachineFile) -> Checked<bool> {
        match &file.key {
            None => Ok(false),
            Some(key) => match self.resolve(key)?.kind() {
                Kind::Text { max: None } => Ok(true),
                _ => Err(self.plain(
                    "E0228",
                    &file.name.span,
                    "the key of a machine is a Text",
                    "write `keyed Text`",
                )),
            },
        }
    }

    fn config(&mut self, file: &MachineFile) -> Checked<Ty> {
        let mut configs = file.items.iter().filter_map(|item| match item {
            Item::Config(fields, span) => Some((fields, span)),
            _ => None,
        });
        let Some((fields, span)) = configs.next() else { return Ok(Ty::unit()) };
        if let Some((_, again)) = configs.next() {
            let diagnostic = self
                .diagnostic("E0229", again, "`config` stands twice", "here again")
                .related(span.clone(), "first here");
            self.fault(diagnostic);
        }
        let old = self.types.predecessor.get(CONFIG).cloned();
        let config = self.at_name(&CONFIG.into(), |checker| checker.record(fields, span, old.as_ref()))?;
        let secret = config.as_record().and_then(|record| {
            let (_, secret) = record.in_declared_order().find(|(_, field)| field.ty.holds_secret())?;
            fields.iter().find(|field| field.name.text == secret.label)
        });
        match secret {
            None => Ok(config),
            Some(field) => {
                let diagnostic = self
                    .diagnostic(
                        "E0251",
                        &field.name.span,
                        format!("the configuration holds a secret: `{}`", field.name.text),
                        "it would stand in the release for all to read",
                    )
                    .help("let an input bring the secret, and keep it in the state");
                Err(self.fault(diagnostic))
            }
        }
    }

    /// Brings the configuration into scope, where there is one.
    fn bind_config(&mut self, config: &Ty) -> Local {
        match config.kind() {
            Kind::Unit => self.fresh(),
            _ => self.bind(&CONFIG.into(), config.clone()),
        }
    }

    /// Returns where `Input` is declared, or where it comes from.
    fn span_of_input(&self, file: &MachineFile) -> Span {
        let imported = self.imported_input.as_ref().map(|(_, span)| span);
        let own = declared(file, INPUT).map(|declaration| &declaration.name.span);
        own.or(imported).unwrap_or(&file.name.span).clone()
    }

    /// Returns which cases of the input are declared `internal`, in the order of the type.
    fn internal_cases(&self, file: &MachineFile, input: &Ty) -> Vec<bool> {
        let variant = input.as_variant().expect("checked to be a variant");
        let imported = self.imported_input.as_ref().map(|(declaration, _)| *declaration);
        let declared = match declared(file, INPUT).or(imported).map(|declaration| &declaration.body) {
            Some(ast::TypeExpr::Variant(declared, _)) => declared.as_slice(),
            _ => &[],
        };
        let is_internal =
            |label: &str| declared.iter().any(|case| case.internal && &*case.name.text == label);
        variant.cases.iter().map(|case| is_internal(&case.label)).collect()
    }

    fn required_type(&mut self, file: &MachineFile, name: &str) -> Checked<Ty> {
        if let Some(ty) = self.types.get(name) {
            return Ok(ty.clone());
        }
        if self.types.declares(name) {
            return Err(Reported);
        }
        let diagnostic = self
            .diagnostic("E0205", &file.name.span, format!("this machine has no type `{name}`"), "here")
            .help(match name {
                "Input" => "declare what it takes: `type Input = Incr | Read`",
                _ => "declare what it remembers: `type State = Int`, or a record",
            });
        Err(self.fault(diagnostic))
    }

    fn input_variant(&mut self, file: &MachineFile, input: Ty) -> Checked<Ty> {
        if input.as_variant().is_some() {
            return Ok(input);
        }
        let span = self.span_of_input(file);
        let diagnostic = self
            .diagnostic("E0205", &span, "`Input` is a variant", "not a variant")
            .help("write its cases: `type Input = Incr | Read`");
        Err(self.fault(diagnostic))
    }

    /// Checks constants and brings them into scope.
    pub(super) fn constants(&mut self, constants: &[&ast::ConstDecl]) {
        for ast::ConstDecl { name, ty, value } in constants.iter().copied() {
            self.calls.clear();
            let checked = match ty {
                Some(ty) => self.resolve(ty).and_then(|ty| self.expr(value, Some(&ty))),
                None => self.expr(value, None),
            };
            let bound = match checked {
                Ok(value) => Bound::Const(value, std::mem::take(&mut self.calls)),
                Err(Reported) => Bound::Faulty,
            };
            if self.scopes.iter().any(|(other, _)| *other == name.text) {
                self.plain("E0229", &name.span, format!("`{}` is declared twice", name.text), "here again");
            }
            self.scopes.push((name.text.clone(), bound));
        }
    }

    fn init(&mut self, file: &MachineFile, config: &Checked<Ty>, state: &Checked<Ty>) -> Checked<Function> {
        let mut inits = file.items.iter().filter_map(|item| match item {
            Item::Init(body, span) => Some((body, span)),
            _ => None,
        });
        let Some((body, first)) = inits.next() else {
            let diagnostic = self
                .diagnostic("E0230", &file.name.span, "this machine has no `init`", "here")
                .help("say what it starts from: `init = 0`");
            return Err(self.fault(diagnostic));
        };
        if let Some((_, again)) = inits.next() {
            let diagnostic = self
                .diagnostic("E0229", again, "`init` stands twice", "here again")
                .related(first.clone(), "first here");
            self.fault(diagnostic);
        }
        let (Ok(config), Ok(state)) = (config, state) else { return Err(Reported) };
        self.scoped(|checker| {
            let local = checker.bind_config(config);
            let body = checker.expr(body, Some(state))?;
            Ok(function("init", vec![(local, config.clone())], state.clone(), body))
        })
    }

    fn invariants(&mut self, file: &MachineFile, state: &Checked<Ty>) -> Checked<Vec<(Arc<str>, Function)>> {
        let Ok(state) = state else { return Err(Reported) };
        let mut found: Vec<Checked<(Arc<str>, Function)>> = Vec::new();
        for item in &file.items {
            let Item::Invariant(name, body) = item else { continue };
            found.push(self.scoped(|checker| {
                let local = checker.bind(&"state".into(), state.clone());
                let body = checker.expr(body, Some(&Ty::bool()))?;
                let params = vec![(local, state.clone())];
                Ok((
                    name.text.clone(),
                    function(&format!("invariant {:?}", &*name.text), params, Ty::bool(), body),
                ))
            }));
        }
        found.into_iter().collect()
    }

    fn handlers(
        &mut self,
        file: &MachineFile,
        input: &Ty,
        internal: &[bool],
        state: &Ty,
        output: &Ty,
        config: &Ty,
    ) -> Checked<Vec<Function>> {
        let cases = &input.as_variant().expect("checked to be a variant").cases;
        let pair = self.build(Kind::Tuple(vec![state.clone(), output.clone()]), &file.name.span)?;
        let mut handlers: Vec<Option<(Checked<Function>, Span)>> = cases.iter().map(|_| None).collect();
        let mut faulty = false;
        for item in &file.items {
            let Item::On(on) = item else { continue };
            let PatternKind::Case(name, payload) = &on.pattern.kind else {
                let diagnostic = self
                    .diagnostic("E0219", &on.pattern.span, "`on` names a case of `Input`", "not a case")
                    .help(format!("`Input` has {}", listed(cases.iter().map(|case| &*case.label))));
                self.fault(diagnostic);
                faulty = true;
                continue;
            };
            let Some(index) = cases.iter().position(|case| case.label == name.text) else {
                let near = did_you_mean(&name.text, cases.iter().map(|case| &*case.label));
                let mut diagnostic = self.diagnostic(
                    "E0208",
                    &name.span,
                    format!("`Input` has no case `{}`", name.text),
                    "no such case",
                );
                diagnostic.help = near.map(|near| format!("did you mean `{near}`?"));
                self.fault(diagnostic);
                faulty = true;
                continue;
            };
            if let Some((_, first)) = &handlers[index] {
                let diagnostic = self
                    .diagnostic(
                        "E0220",
                        &name.span,
                        format!("`{}` is handled twice", name.text),
                        "here again",
                    )
                    .related(first.clone(), "first handled here");
                self.fault(diagnostic);
                faulty = true;
                continue;
            }
            let case = &cases[index];
            if payload.is_none() && !matches!(case.payload.kind(), Kind::Unit) {
                // The same words as for a pattern elsewhere.
                let _ = self.pattern(&on.pattern, input);
                faulty = true;
                continue;
            }
            let result = if internal[index] { state } else { &pair };
            let handler = self.handler(on, payload.as_deref(), &case.payload, result, input, state, config);
            handlers[index] = Some((handler, name.span.clone()));
        }
        let missing: Vec<&str> = handlers
            .iter()
            .zip(cases)
            .filter(|(handler, _)| handler.is_none())
            .map(|(_, case)| &*case.label)
            .collect();
        if !missing.is_empty() && !faulty {
            let span = self.span_of_input(file);
            let diagnostic = self
                .diagnostic(
                    "E0219",
                    &span,
                    format!("no `on` for {}", listed(missing.iter().copied())),
                    "every case is handled once",
                )
                .help(format!("add `on {} ...`", missing[0]));
            self.fault(diagnostic);
            faulty = true;
        }
        let handlers: Checked<Vec<Function>> =
            handlers.into_iter().flatten().map(|(handler, _)| handler).collect();
        if faulty { Err(Reported) } else { handlers }
    }

    #[expect(clippy::too_many_arguments, reason = "a handler stands between all the types of a machine")]
    fn handler(
        &mut self,
        on: &ast::OnDecl,
        payload: Option<&ast::Pattern>,
        payload_ty: &Ty,
        result: &Ty,
        input: &Ty,
        state: &Ty,
        config: &Ty,
    ) -> Checked<Function> {
        self.scoped(|checker| {
            let payload_local = checker.fresh();
            let state_local = checker.bind(&"state".into(), state.clone());
            let config_local = checker.bind_config(config);
            checker.scopes.push(("ctx".into(), Bound::Ctx));
            checker.effects = Some(input.clone());
            let body = match payload {
                None => checker.expr(&on.body, Some(result)),
                Some(pattern) => checker.destructure(pattern, payload_local, payload_ty, |checker| {
                    checker.expr(&on.body, Some(result))
                }),
            };
            checker.effects = None;
            let name = match &on.pattern.kind {
                PatternKind::Case(name, _) => format!("on {}", name.text),
                _ => "on".to_owned(),
            };
            let params = vec![
                (payload_local, payload_ty.clone()),
                (state_local, state.clone()),
                (config_local, config.clone()),
            ];
            Ok(function(&name, params, result.clone(), body?))
        })
    }

    /// Takes the signatures of the functions of a file.
    pub(super) fn declare_functions<'f>(
        &mut self,
        declarations: impl Iterator<Item = &'f ast::FunctionDecl>,
    ) -> Checked<()> {
        let mut faulty = false;
        for (index, declaration) in (self.function_base..).zip(declarations) {
            let name = &declaration.name;
            if self.functions.contains_key(&name.text) || self.faulty_functions.contains(&name.text) {
                self.plain(
                    "E0229",
                    &name.span,
                    format!("the function `{}` stands twice", name.text),
                    "here again",
                );
                faulty = true;
                continue;
            }
            let params: Vec<Checked<Ty>> =
                declaration.params.iter().map(|(_, ty)| self.resolve(ty)).collect();
            let params: Checked<Vec<Ty>> = params.into_iter().collect();
            let result = self.resolve(&declaration.result);
            match (params, result) {
                (Ok(params), Ok(result)) => {
                    let signature = Signature { id: FunctionId(index), params, result };
                    self.functions.insert(name.text.clone(), signature);
                }
                _ => {
                    self.faulty_functions.push(name.text.clone());
                    faulty = true;
                }
            }
        }
        if faulty { Err(Reported) } else { Ok(()) }
    }

    /// Checks the bodies of the functions of a file and puts callees first.
    pub(super) fn check_functions<'f>(
        &mut self,
        declarations: impl Iterator<Item = &'f ast::FunctionDecl>,
        declared: Checked<()>,
    ) -> Checked<Vec<(FunctionId, Function)>> {
        let mut faulty = declared.is_err();
        let mut checked: BTreeMap<FunctionId, (Function, Vec<FunctionId>, Span)> = BTreeMap::new();
        for (index, declaration) in (self.function_base..).zip(declarations) {
            let Some(signature) = self.functions.get(&declaration.name.text).cloned() else { continue };
            if signature.id != FunctionId(index) {
                continue;
            }
            self.calls.clear();
            let body = self.scoped(|checker| {
                let mut params: Vec<(Local, Ty)> = Vec::new();
                for (index, ((name, _), ty)) in declaration.params.iter().zip(&signature.params).enumerate() {
                    let first = declaration.params[..index].iter().find(|(first, _)| first.text == name.text);
                    if let Some((first, _)) = first {
                        let message = format!("the parameter `{}` stands twice", name.text);
                        let diagnostic = checker
                            .diagnostic("E0229", &name.span, message, "here again")
                            .related(first.span.clone(), "first here")
                            .help("give each parameter a name of its own");
                        checker.fault(diagnostic);
                    }
                    params.push((checker.bind(&name.text, ty.clone()), ty.clone()));
                }
                let body = checker.expr(&declaration.body, Some(&signature.result))?;
                Ok::<_, Reported>(function(&declaration.name.text, params, signature.result.clone(), body))
            });
            match body {
                Ok(function) => {
                    let calls = std::mem::take(&mut self.calls);
                    checked.insert(signature.id, (function, calls, declaration.name.span.clone()));
                }
                Err(Reported) => faulty = true,
            }
        }
        // Recursion among those that are right is told beside the faults of the others.
        let ordered = self.callees_first(checked);
        if faulty { Err(Reported) } else { ordered }
    }

    fn callees_first(
        &mut self,
        mut rest: BTreeMap<FunctionId, (Function, Vec<FunctionId>, Span)>,
    ) -> Checked<Vec<(FunctionId, Function)>> {
        let mut order = Vec::new();
        loop {
            let ready: Vec<FunctionId> = rest
                .iter()
                .filter(|(_, (_, calls, _))| calls.iter().all(|callee| !rest.contains_key(callee)))
                .map(|(id, _)| *id)
                .collect();
            if ready.is_empty() {
                break;
            }
            for id in ready {
                let (function, ..) = rest.remove(&id).expect("it was just found there");
                order.push((id, function));
            }
        }
        match rest.values().next() {
            None => Ok(order),
            Some((function, _, span)) => {
                let diagnostic = self
                    .diagnostic(
                        "E0231",
                        span,
                        format!("`{}` calls itself, directly or through others", function.name),
                        "recursion is not possible",
                    )
                    .help("use `fold`, `map` or another function over a List or Map");
                Err(self.fault(diagnostic))
            }
        }
    }
}

pub(super) fn function(name: &str, params: Vec<(Local, Ty)>, result: Ty, body: Expr) -> Function {
    Function { name: name.into(), params, result, body }
}

fn declared<'f>(file: &'f MachineFile, name: &str) -> Option<&'f TypeDecl> {
    file.items.iter().find_map(|item| match item {
        Item::Type(declaration) if &*declaration.name.text == name => Some(declaration),
        _ => None,
    })
}
