//! Type modules: declarations that the machines and migrations of an application share.
//!
//! Names carry no meaning: what a module declares is checked anew for each file that uses it, with
//! the ordinals that this file's predecessor had, so that the bytes of a machine are those that
//! it would have if the declarations stood in it. [`Modules`] is made once per application, and
//! whoever has one knows that its texts are without faults.
//!
//! What must stay true: a module uses only modules before it in [`Modules`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::line::Line;
use super::machine::CONFIG;
use super::{Bound, Checker, Reported, Signature, listed};
use crate::diagnostic::{Diagnostic, Source, Span, did_you_mean};
use crate::syntax::ast::{
    self, ConstDecl, FunctionDecl, Item, MachineFile, MigrationFile, MigrationItem, Name, TypeDecl,
    TypesFile, TypesItem, UseDecl,
};
use crate::syntax::parse_file;
use crate::ty::Ty;

/// The type modules of an application, without faults.
#[derive(Debug, Clone, Default)]
pub struct Modules {
    /// Each after those that it uses.
    modules: Vec<TypeModule>,
}

#[derive(Debug, Clone)]
struct TypeModule {
    source: Source,
    file: TypesFile,
}

impl Modules {
    /// Reads and checks the modules of one application.
    ///
    /// # Errors
    ///
    /// All faults of the first stage that has any: syntax, names and cycles of modules, content.
    pub fn read(sources: &[Source]) -> Result<Modules, Vec<Diagnostic>> {
        let mut faults = Vec::new();
        let mut modules: Vec<TypeModule> = Vec::new();
        for source in sources {
            match types_file(source) {
                Ok(file) => modules.push(TypeModule { source: source.clone(), file }),
                Err(more) => faults.extend(more),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let modules = Modules { modules: in_order(modules)? };
        let Some(first) = modules.modules.first() else { return Ok(modules) };
        let mut checker = Checker::new(&first.source);
        checker.load_all(&modules);
        let errors = checker.errors;
        if errors.is_empty() { Ok(modules) } else { Err(errors) }
    }

    /// Returns the modules with their names, each after those that it uses.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.modules.iter().map(|module| (&*module.file.name.text, &module.source))
    }
}

fn types_file(source: &Source) -> Result<TypesFile, Vec<Diagnostic>> {
    let (span, what) = match parse_file(source)? {
        ast::File::Types(file) => return Ok(file),
        ast::File::Machine(file) => (file.name.span, "machine"),
        ast::File::Migration(file) => (file.machine.span, "migration"),
    };
    let message = format!("this is a {what}, not a type module");
    let wrong = Diagnostic::new("E0605", source, span, message, "here");
    Err(vec![wrong.help("a type module begins with `types NAME`, and stands in `types/`")])
}

/// Puts each module after those that it uses.
fn in_order(mut rest: Vec<TypeModule>) -> Result<Vec<TypeModule>, Vec<Diagnostic>> {
    let mut faults = Vec::new();
    let mut names: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
    for module in &rest {
        let name = &module.file.name;
        if let Some(first) = names.insert(name.text.clone(), module.source.name.clone()) {
            let message = format!("the module `{}` stands twice", name.text);
            let again = Diagnostic::new("E0604", &module.source, name.span.clone(), message, "here again");
            faults.push(again.help(format!("the first is {first}: give one of them another name")));
        }
    }
    for module in &rest {
        for used in uses(&module.file) {
            if !names.contains_key(&used.module.text) {
                faults.push(unknown_module(&module.source, &used.module, names.keys().map(|name| &**name)));
            }
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut order: Vec<TypeModule> = Vec::new();
    loop {
        let open: BTreeSet<Arc<str>> = rest.iter().map(|module| module.file.name.text.clone()).collect();
        let is_open = |used: &&UseDecl| open.contains(&used.module.text);
        let (ready, later): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|module| uses(&module.file).find(is_open).is_none());
        if later.is_empty() {
            order.extend(ready);
            return Ok(order);
        }
        if ready.is_empty() {
            return Err(vec![cycle(&later)]);
        }
        order.extend(ready);
        rest = later;
    }
}

/// Reports a cycle among modules each of which uses another one of them.
fn cycle(modules: &[TypeModule]) -> Diagnostic {
    let next = |module: &TypeModule| {
        let found = uses(&module.file).find_map(|used| {
            let to = modules.iter().position(|other| other.file.name.text == used.module.text)?;
            Some((used.module.span.clone(), to))
        });
        found.expect("each uses another one of them")
    };
    let mut way: Vec<usize> = Vec::new();
    let mut at = 0;
    while !way.contains(&at) {
        way.push(at);
        at = next(&modules[at]).1;
    }
    let start = way.iter().position(|index| *index == at).expect("it was met before");
    let name = |index: usize| &*modules[index].file.name.text;
    let through: Vec<&str> = way[start + 1..].iter().map(|index| name(*index)).collect();
    let message = match through.as_slice() {
        [] => format!("the module `{}` uses itself", name(at)),
        through => {
            format!("the module `{}` uses itself by way of {}", name(at), listed(through.iter().copied()))
        }
    };
    let (span, _) = next(&modules[at]);
    Diagnostic::new("E0603", &modules[at].source, span, message, "this leads back")
        .help("move what both need into a module of its own")
}

fn unknown_module<'n>(source: &Source, name: &Name, known: impl Iterator<Item = &'n str>) -> Diagnostic {
    let help = match did_you_mean(&name.text, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("declare it: `types {0}` in types/{0}.cam of this application", name.text),
    };
    let message = format!("there is no type module `{}`", name.text);
    Diagnostic::new("E0601", source, name.span.clone(), message, "not in this application").help(help)
}

fn uses(file: &TypesFile) -> impl Iterator<Item = &UseDecl> {
    file.items.iter().filter_map(|item| match item {
        TypesItem::Use(used) => Some(used),
        _ => None,
    })
}

/// What a file of any kind declares alike.
#[derive(Debug, Default)]
pub(super) struct Items<'f> {
    uses: Vec<&'f UseDecl>,
    pub(super) types: Vec<&'f TypeDecl>,
    pub(super) constants: Vec<&'f ConstDecl>,
    pub(super) functions: Vec<&'f FunctionDecl>,
}

impl<'f> Items<'f> {
    pub(super) fn of_machine(file: &'f MachineFile) -> Items<'f> {
        let mut items = Items::default();
        for item in &file.items {
            match item {
                Item::Use(used) => items.uses.push(used),
                Item::Type(declaration) => items.types.push(declaration),
                Item::Const(constant) => items.constants.push(constant),
                Item::Function(function) => items.functions.push(function),
                _ => {}
            }
        }
        items
    }

    pub(super) fn of_migration(file: &'f MigrationFile) -> Items<'f> {
        let mut items = Items::default();
        for item in &file.items {
            match item {
                MigrationItem::Use(used) => items.uses.push(used),
                MigrationItem::Type(declaration) => items.types.push(declaration),
                MigrationItem::Function(function) => items.functions.push(function),
                _ => {}
            }
        }
        items
    }

    fn of_types(file: &'f TypesFile) -> Items<'f> {
        let mut items = Items::default();
        for item in &file.items {
            match item {
                TypesItem::Use(used) => items.uses.push(used),
                TypesItem::Type(declaration) => items.types.push(declaration),
                TypesItem::Const(constant) => items.constants.push(constant),
                TypesItem::Function(function) => items.functions.push(function),
            }
        }
        items
    }

    fn declares(&self, name: &str) -> bool {
        let names = self.types.iter().map(|declaration| &declaration.name);
        let names = names.chain(self.constants.iter().map(|constant| &constant.name));
        names.chain(self.functions.iter().map(|function| &function.name)).any(|other| *other.text == *name)
    }
}

/// What a module that was checked gives to those who use it. Nothing stands for what is faulty.
#[derive(Debug, Default)]
pub(super) struct Exports<'a> {
    types: BTreeMap<Arc<str>, (Option<Ty>, Option<&'a TypeDecl>)>,
    functions: BTreeMap<Arc<str>, Option<Signature>>,
    constants: BTreeMap<Arc<str>, Bound>,
}

impl Exports<'_> {
    fn has(&self, name: &str) -> bool {
        self.types.contains_key(name)
            || self.functions.contains_key(name)
            || self.constants.contains_key(name)
    }

    fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.types.keys().chain(self.functions.keys()).chain(self.constants.keys())
    }
}

impl<'a> Checker<'a> {
    /// Checks all modules, each for itself.
    fn load_all(&mut self, modules: &'a Modules) {
        for module in &modules.modules {
            self.module(module, &Line::default(), &BTreeMap::new());
        }
    }

    /// Takes what comes from elsewhere: type modules, and what the line of releases had.
    pub(super) fn begin(&mut self, modules: &'a Modules, items: &Items<'_>, line: &Line) {
        self.use_modules(modules, items, line);
        self.types.predecessor = line.types.clone();
        let declared = items.types.iter().map(|declaration| declaration.name.text.clone());
        let named = declared.chain([CONFIG.into()]);
        self.types.retired = named.map(|name| (name.clone(), line.retired_in(&name))).collect();
    }

    /// Checks the modules that a file uses, directly or through others, and brings what it uses
    /// into its scope.
    pub(super) fn use_modules(&mut self, modules: &'a Modules, items: &Items<'_>, line: &Line) {
        let mut wanted: BTreeSet<&str> = items.uses.iter().map(|used| &*used.module.text).collect();
        for module in modules.modules.iter().rev() {
            if wanted.contains(&*module.file.name.text) {
                wanted.extend(uses(&module.file).map(|used| &*used.module.text));
            }
        }
        let closure = modules.modules.iter().filter(|module| wanted.contains(&*module.file.name.text));
        let closure: Vec<&TypeModule> = closure.collect();
        let owners = owners(&closure, items);
        for module in closure {
            self.module(module, line, &owners);
        }
        let known: Vec<&str> = modules.sources().map(|(name, _)| name).collect();
        self.import(items, &known);
        self.imported_types = self.types.named().len();
    }

    /// Checks a module in a scope of its own.
    fn module(&mut self, module: &'a TypeModule, line: &Line, owners: &Owners) {
        let name = &module.file.name.text;
        let items = Items::of_types(&module.file);
        let outer_source = std::mem::replace(&mut self.source, &module.source);
        let outer_types = std::mem::take(&mut self.types);
        let outer_functions = std::mem::take(&mut self.functions);
        let outer_faulty = std::mem::take(&mut self.faulty_functions);
        let outer_scopes = std::mem::take(&mut self.scopes);

        for declaration in &items.types {
            let plain = &declaration.name.text;
            let qualified = qualified(name, plain);
            let before = line.types.get(&*qualified).or_else(|| line.types.get(plain));
            self.types.predecessor.extend(before.map(|ty| (plain.clone(), ty.clone())));
            let mut retired = line.retired_in(&qualified);
            if retired.is_empty() {
                retired = line.retired_in(plain);
            }
            self.types.retired.insert(plain.clone(), retired);
        }
        self.import(&items, &[]);
        let imported = self.types.named().len();
        self.declare_types(items.types.iter().copied());
        let declared = self.declare_functions(items.functions.iter().copied());
        self.constants(&items.constants);
        let checked = self.check_functions(items.functions.iter().copied(), declared);
        self.function_base += items.functions.len();
        self.shared_functions.extend(checked.into_iter().flatten());

        let types = self.types.named()[imported..].iter().cloned();
        self.shared_types.extend(types.map(|(plain, ty)| match owners.get(&plain) {
            Some(owner) if owner.as_ref() != Some(name) => (qualified(name, &plain), ty),
            _ => (plain, ty),
        }));
        let exports = self.exports(&items);
        self.modules.insert(name.clone(), exports);

        self.source = outer_source;
        self.types = outer_types;
        self.functions = outer_functions;
        self.faulty_functions = outer_faulty;
        self.scopes = outer_scopes;
    }

    /// Returns what the module in scope declares itself.
    fn exports(&self, items: &Items<'a>) -> Exports<'a> {
        let mut exports = Exports::default();
        for declaration in &items.types {
            let name = &declaration.name.text;
            exports.types.insert(name.clone(), (self.types.get(name).cloned(), Some(*declaration)));
        }
        for function in &items.functions {
            let name = &function.name.text;
            exports.functions.insert(name.clone(), self.functions.get(name).cloned());
        }
        for constant in &items.constants {
            let name = &constant.name.text;
            let bound = self.scopes.iter().find(|(other, _)| other == name).map(|(_, bound)| bound.clone());
            exports.constants.insert(name.clone(), bound.unwrap_or(Bound::Faulty));
        }
        exports
    }

    /// Brings what a file uses of modules into scope. `known` are the modules of the application,
    /// where they were not looked at before.
    fn import(&mut self, items: &Items<'_>, known: &[&str]) {
        let mut seen: BTreeMap<Arc<str>, Span> = BTreeMap::new();
        let mut from: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
        for used in &items.uses {
            let module = &used.module;
            if let Some(first) = seen.insert(module.text.clone(), module.span.clone()) {
                let message = format!("the module `{}` is used twice", module.text);
                let diagnostic = self
                    .diagnostic("E0229", &module.span, message, "here again")
                    .related(first, "first here")
                    .help(format!("put the names together: `use {} {{ A, B }}`", module.text));
                self.fault(diagnostic);
                continue;
            }
            let Some(exports) = self.modules.remove(&module.text) else {
                let diagnostic = unknown_module(self.source, module, known.iter().copied());
                self.fault(diagnostic);
                continue;
            };
            let names: Vec<Name> = match &used.names {
                Some(names) => names.clone(),
                None => {
                    let all: BTreeSet<&Arc<str>> = exports.names().collect();
                    let name = |text: &Arc<str>| Name { text: text.clone(), span: module.span.clone() };
                    all.into_iter().map(name).collect()
                }
            };
            for name in &names {
                if self.may_import(&exports, module, name, items, &from).is_ok() {
                    from.insert(name.text.clone(), module.text.clone());
                    self.bring(&exports, name);
                }
            }
            self.modules.insert(module.text.clone(), exports);
        }
    }

    /// Refuses a name that the module does not have, or that something else has already.
    fn may_import(
        &mut self,
        exports: &Exports<'_>,
        module: &Name,
        name: &Name,
        items: &Items<'_>,
        from: &BTreeMap<Arc<str>, Arc<str>>,
    ) -> Result<(), Reported> {
        if !exports.has(&name.text) {
            let message = format!("the module `{}` does not declare `{}`", module.text, name.text);
            let mut diagnostic = self.diagnostic("E0602", &name.span, message, "not declared there");
            let capital = |text: &str| text.starts_with(char::is_uppercase);
            let alike = exports.names().filter(|other| capital(other) == capital(&name.text));
            let near = did_you_mean(&name.text, alike.map(|name| &**name));
            diagnostic.help = Some(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "a module passes on what it declares itself, not what it uses".to_owned(),
            });
            return Err(self.fault(diagnostic));
        }
        let (message, mend) = match from.get(&name.text) {
            Some(other) if *other == module.text => {
                (format!("`{}` is used twice", name.text), "name it once".to_owned())
            }
            Some(other) => (
                format!("`{}` comes from `{other}` and from `{}`", name.text, module.text),
                format!("name what is needed of one of them: `use {} {{ A, B }}`", module.text),
            ),
            None if items.declares(&name.text) => (
                format!("`{}` is declared in this file and in `{}`", name.text, module.text),
                format!("name what is needed of the module: `use {} {{ A, B }}`", module.text),
            ),
            None => return Ok(()),
        };
        let diagnostic = self.diagnostic("E0606", &name.span, message, "which one is meant?").help(mend);
        Err(self.fault(diagnostic))
    }

    /// Brings one name into scope, with all that it stands for.
    fn bring(&mut self, exports: &Exports<'a>, name: &Name) {
        if let Some((ty, declaration)) = exports.types.get(&name.text) {
            match ty {
                Some(ty) => self.types.insert(&name.text, ty.clone()),
                None => self.types.insert_faulty(&name.text),
            }
            if let (INPUT, Some(declaration)) = (&*name.text, declaration) {
                self.imported_input = Some((declaration, name.span.clone()));
            }
        }
        match exports.functions.get(&name.text) {
            Some(Some(signature)) => drop(self.functions.insert(name.text.clone(), signature.clone())),
            Some(None) => self.faulty_functions.push(name.text.clone()),
            None => {}
        }
        if let Some(bound) = exports.constants.get(&name.text) {
            self.scopes.push((name.text.clone(), bound.clone()));
        }
    }
}

/// The type of a machine's inputs: the one name that means something in a module too, since its
/// declaration says which cases are internal.
pub(super) const INPUT: &str = "Input";

/// Whose a plain name is among the declared types that a machine remembers: a module's, or the
/// file's own. The others get the name of their module before theirs.
type Owners = BTreeMap<Arc<str>, Option<Arc<str>>>;

fn owners(closure: &[&TypeModule], items: &Items<'_>) -> Owners {
    let mut owners: Owners =
        items.types.iter().map(|declaration| (declaration.name.text.clone(), None)).collect();
    let types = |module: &TypeModule| {
        let declared = Items::of_types(&module.file).types.into_iter();
        declared.map(|declaration| declaration.name.text.clone()).collect::<Vec<_>>()
    };
    for used in &items.uses {
        let module = closure.iter().find(|module| module.file.name.text == used.module.text);
        for name in module.into_iter().flat_map(|module| types(module)) {
            let named = used.names.as_ref().is_none_or(|names| names.iter().any(|other| other.text == name));
            if named {
                owners.entry(name).or_insert_with(|| Some(used.module.text.clone()));
            }
        }
    }
    for module in closure {
        for name in types(module) {
            owners.entry(name).or_insert_with(|| Some(module.file.name.text.clone()));
        }
    }
    owners
}

fn qualified(module: &str, name: &str) -> Arc<str> {
    format!("{module}.{name}").into()
}
