//! Tests and properties: what they begin with, and what they are made of.
//!
//! They are checked after the machine, in the same run, and leave nothing in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::outlet::{CheckedChannel, CheckedPort};
use super::{Bound, Checked, Checker, Reported, listed};
use crate::diagnostic::{Span, did_you_mean};
use crate::hir::{Expr, Local};
use crate::suite::script::{Given, Script, Site, SiteId, StmtKind, Use, payload, variant};
use crate::suite::starting_config;
use crate::syntax::ast::{self, Item, MachineFile, Name};
use crate::syntax::suite::TestDecl;
use crate::ty::{Kind, Ty};

/// The machine that tests are about.
pub(super) struct Around<'m> {
    pub(super) keyed: bool,
    pub(super) config: &'m Ty,
    pub(super) state: &'m Ty,
    pub(super) input: &'m Ty,
    pub(super) internal: &'m [bool],
    pub(super) output: &'m Ty,
    pub(super) channels: &'m [CheckedChannel],
    pub(super) ports: &'m [CheckedPort],
}

/// The test that is being checked.
#[derive(Debug, Default)]
pub(super) struct Testing {
    /// The names that live from one expression to the next.
    names: Vec<Local>,
    /// Those that the current expression uses.
    seen: BTreeMap<Local, Use>,
    sites: Vec<Site>,
    pub(super) property: bool,
    /// Where the `for all inputs` began that the statement stands in.
    pub(super) within_all: Option<Span>,
    /// How many were met.
    pub(super) alls: usize,
}

impl Testing {
    /// Takes note of a name that an expression uses.
    pub(super) fn see(&mut self, name: &Arc<str>, local: Local, ty: &Ty) {
        if self.names.contains(&local) {
            let used = Use { name: name.clone(), local, ty: ty.clone() };
            self.seen.entry(local).or_insert(used);
        }
    }
}

const GIVEN: [(&str, Given); 5] = [
    ("config", Given::Config),
    ("state", Given::State),
    ("key", Given::Key),
    ("now", Given::Now),
    ("seed", Given::Seed),
];

impl Checker<'_> {
    /// Checks all tests of a file.
    pub(super) fn tests(&mut self, file: &MachineFile, around: &Around<'_>) -> Checked<Vec<Script>> {
        let mut scripts: Vec<Checked<Script>> = Vec::new();
        let mut names: BTreeMap<&str, &Span> = BTreeMap::new();
        for item in &file.items {
            let Item::Test(test) = item else { continue };
            if let Some(first) = names.insert(&test.name.text, &test.name.span) {
                let diagnostic = self
                    .diagnostic("E0505", &test.name.span, "two tests have this name", "here again")
                    .related(first.clone(), "first here")
                    .help("a failure names its test: give each a name of its own");
                scripts.push(Err(self.fault(diagnostic)));
            }
            let property = test.params.is_some();
            self.test = Some(Box::new(Testing { property, ..Testing::default() }));
            scripts.push(self.scoped(|checker| checker.script(test, around)));
            self.test = None;
        }
        scripts.into_iter().collect()
    }

    /// Returns the test that is being checked.
    pub(super) fn testing(&mut self) -> &mut Testing {
        self.test.as_mut().expect("statements of tests stand in tests")
    }

    fn script(&mut self, test: &TestDecl, around: &Around<'_>) -> Checked<Script> {
        let params = test.params.as_ref().map(|params| self.test_params(params)).transpose();
        let (config, given) = self.test_given(test, around);
        self.scopes.push(("ctx".into(), Bound::Ctx));
        let state = self.test_name("state", around.state);
        let output = self.test_name("output", around.output);
        let body = self.test_block(&test.body, around);
        let (params, given, body) = (params?, given?, body?);
        if body.iter().all(|statement| matches!(statement.kind, StmtKind::Let(..) | StmtKind::Assume(_))) {
            let diagnostic = self
                .diagnostic("E0508", &test.name.span, "this test cannot fail", "it runs and expects nothing")
                .help("run an input with `run INPUT gives OUTPUT`, or `expect` something");
            return Err(self.fault(diagnostic));
        }
        if params.as_ref().is_some_and(Vec::is_empty) && self.testing().alls == 0 {
            let diagnostic = self
                .diagnostic(
                    "E0510",
                    &test.name.span,
                    "this property generates nothing",
                    "every case is the same",
                )
                .help("give it parameters, as in `property \"...\" (count: Int) { ... }`, or `for all inputs`; else write `test`");
            return Err(self.fault(diagnostic));
        }
        let sites = std::mem::take(&mut self.testing().sites);
        Ok(Script {
            name: test.name.text.clone(),
            span: test.name.span.clone(),
            params,
            given,
            config,
            state,
            output,
            body,
            sites,
        })
    }

    fn test_params(&mut self, params: &[(Name, ast::TypeExpr)]) -> Checked<Vec<Use>> {
        let mut found = Vec::new();
        let mut faulty = false;
        for (name, ty) in params {
            match self.resolve(ty) {
                Ok(ty) => {
                    let local = self.test_name(&name.text, &ty);
                    found.push(Use { name: name.text.clone(), local, ty });
                }
                Err(Reported) => {
                    self.scopes.push((name.text.clone(), Bound::Faulty));
                    faulty = true;
                }
            }
        }
        if faulty { Err(Reported) } else { Ok(found) }
    }

    /// Checks what a test begins with, and brings `config` into scope.
    fn test_given(&mut self, test: &TestDecl, around: &Around<'_>) -> (Local, Checked<Vec<(Given, SiteId)>>) {
        let mut found: BTreeMap<Given, SiteId> = BTreeMap::new();
        let mut seen: Vec<Given> = Vec::new();
        let mut faulty = false;
        let (first, rest): (Vec<_>, Vec<_>) =
            test.given.iter().partition(|given| &*given.what.text == "config");
        let mut local = None;
        for given in first.into_iter().chain(rest) {
            // The rest may use the configuration, which does not use itself.
            if &*given.what.text != "config" {
                local.get_or_insert_with(|| self.test_name("config", around.config));
            }
            let checked = self.given_type(&given.what, around).and_then(|(what, ty)| {
                if seen.contains(&what) {
                    let message = format!("`{}` is given twice", given.what.text);
                    return Err(self.plain("E0506", &given.what.span, message, "here again"));
                }
                seen.push(what);
                Ok((what, self.site(&given.value, Some(&ty))?))
            });
            match checked {
                Ok((what, site)) => drop(found.insert(what, site)),
                Err(Reported) => faulty = true,
            }
        }
        let local = local.unwrap_or_else(|| self.test_name("config", around.config));
        if !seen.contains(&Given::Config) && starting_config(around.config).is_none() {
            let diagnostic = self
                .diagnostic(
                    "E0506",
                    &test.name.span,
                    "this machine has configuration without a default",
                    "it is not given",
                )
                .help("write it after the name: `with config { ... }`");
            self.fault(diagnostic);
            faulty = true;
        }
        (local, if faulty { Err(Reported) } else { Ok(found.into_iter().collect()) })
    }

    fn given_type(&mut self, name: &Name, around: &Around<'_>) -> Checked<(Given, Ty)> {
        let Some((_, what)) = GIVEN.iter().find(|(word, _)| *word == &*name.text) else {
            let words = GIVEN.iter().map(|(word, _)| *word);
            let help = match did_you_mean(&name.text, words.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("a test begins with {}", listed(words)),
            };
            let message = format!("a test is given no `{}`", name.text);
            let diagnostic = self.diagnostic("E0506", &name.span, message, "not known");
            return Err(self.fault(diagnostic.help(help)));
        };
        let reason = match what {
            Given::Config if around.config == &Ty::unit() => "this machine has no configuration",
            Given::Key if !around.keyed => "this machine has no key",
            _ => {
                let ty = match what {
                    Given::Config => around.config.clone(),
                    Given::State => around.state.clone(),
                    Given::Key => Ty::text(),
                    Given::Now | Given::Seed => Ty::int(),
                };
                return Ok((*what, ty));
            }
        };
        let diagnostic = self.diagnostic("E0506", &name.span, reason, "there is nothing to give");
        Err(self.fault(diagnostic.help("leave it out")))
    }

    /// Brings a name of the test into scope.
    pub(super) fn test_name(&mut self, name: &str, ty: &Ty) -> Local {
        let local = self.bind(&name.into(), ty.clone());
        self.testing().names.push(local);
        local
    }

    /// Makes a local that is in scope already one that lives from one expression to the next.
    pub(super) fn keep(&mut self, local: Local) {
        self.testing().names.push(local);
    }

    /// Checks an expression of a test.
    pub(super) fn site(&mut self, expr: &ast::Expr, expected: Option<&Ty>) -> Checked<SiteId> {
        let expr = self.test_expr(expr, expected)?;
        self.add_site(expr)
    }

    /// Checks an expression; the names that it uses are those of the next sites.
    pub(super) fn test_expr(&mut self, expr: &ast::Expr, expected: Option<&Ty>) -> Checked<Expr> {
        self.testing().seen.clear();
        self.expr(expr, expected)
    }

    /// Returns what the last expression used.
    pub(super) fn seen_uses(&mut self) -> Vec<Use> {
        self.testing().seen.values().cloned().collect()
    }

    /// Adds an expression that uses what the last expression used.
    pub(super) fn add_site(&mut self, expr: Expr) -> Checked<SiteId> {
        let uses = self.seen_uses();
        self.add_site_of(expr, uses)
    }

    /// Adds an expression with what it uses.
    pub(super) fn add_site_of(&mut self, expr: Expr, uses: Vec<Use>) -> Checked<SiteId> {
        // What the compiler makes of it, see `compile::suite`: a step of a machine without a state.
        let taken = payload(&uses).and_then(|payload| variant([payload]));
        let given = variant([expr.ty.clone()]).and_then(|ty| Ty::new(Kind::Tuple(vec![Ty::unit(), ty])));
        if let Err(error) = taken.and(given) {
            return Err(self.type_fault(&error, &expr.span));
        }
        let sites = &mut self.testing().sites;
        sites.push(Site { uses, expr });
        Ok(SiteId(sites.len() - 1))
    }

    /// Returns the type of a site.
    pub(super) fn site_ty(&mut self, site: SiteId) -> Ty {
        self.testing().sites[site.0].expr.ty.clone()
    }
}
