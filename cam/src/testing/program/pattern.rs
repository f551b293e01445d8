//! Patterns of generated programs: they cover every value, and each is reached by some.
//!
//! A cover of a type is a row of patterns of which each takes what those before it leave. It is
//! made by taking the type apart; so it needs no look at what patterns have in common.

use crate::ty::{Kind, Ty};
use crate::value::Value;

use super::expr::{Ex, LOOSE};
use super::{Generator, Var};

/// How many arms a `match` has.
const ARMS_MAX: usize = 6;

/// A pattern as text, and the names that it binds.
#[derive(Debug, Clone)]
pub(super) struct Pat {
    text: String,
    vars: Vec<Var>,
}

impl Pat {
    fn new(text: impl Into<String>) -> Pat {
        Pat { text: text.into(), vars: vec![] }
    }

    fn within(self, before: &str, after: &str) -> Pat {
        Pat { text: format!("{before}{}{after}", self.text), ..self }
    }
}

impl Generator {
    /// Makes a `match`. `known`: its place says the type.
    pub(super) fn match_of(&mut self, ty: &Ty, depth: u32, known: bool) -> Ex {
        let over = self.pick_ty();
        let scrutinee = self.infer(&over, depth).head();
        let mut arms = vec![];
        for (index, pat) in self.arms(&over).into_iter().enumerate() {
            let opened = self.choices.open(5);
            arms.push(self.scoped(|generator| {
                generator.vars.extend(pat.vars.iter().cloned());
                let text = generator.guard(&pat.text, depth);
                let body = match (index, known) {
                    (0, false) => generator.infer(ty, depth),
                    (0, true) => generator.check(ty, depth),
                    _ => generator.check_or_fail(ty, depth),
                };
                (text, body.text)
            }));
            self.choices.close(opened);
        }
        // What a guard lets through is taken by the same pattern without one.
        let separator = self.separator(",");
        let mut text = String::new();
        for ((pattern, guard), body) in arms {
            match guard {
                None => text += &format!("{pattern} => {body}{separator}"),
                Some(guard) => {
                    text +=
                        &format!("{pattern} if {guard} => {body}{separator}{pattern} => {body}{separator}");
                }
            }
        }
        Ex::new(format!("match {scrutinee} {{ {text} }}"), LOOSE, ty)
    }

    fn guard(&mut self, pattern: &str, depth: u32) -> (String, Option<String>) {
        let guarded = self.choices.chance(15);
        (pattern.to_owned(), guarded.then(|| self.check(&Ty::bool(), depth).head()))
    }

    /// Makes the patterns of a `match`.
    pub(super) fn arms(&mut self, ty: &Ty) -> Vec<Pat> {
        self.bound.clear();
        let mut arms = self.cover(ty, 3);
        if arms.len() > ARMS_MAX {
            arms.truncate(ARMS_MAX - 1);
            arms.push(Pat::new("_"));
        }
        self.merged(arms)
    }

    /// Makes a pattern that some values have and some have not, if there is one.
    pub(super) fn some_pattern(&mut self, ty: &Ty) -> Option<Pat> {
        self.bound.clear();
        let cover = self.cover(ty, 3);
        (cover.len() > 1).then(|| cover.into_iter().next().expect("there are several"))
    }

    /// Makes a pattern that all values have.
    pub(super) fn whole_pattern(&mut self, ty: &Ty) -> Pat {
        self.bound.clear();
        self.whole(ty, 2)
    }

    fn whole(&mut self, ty: &Ty, depth: u32) -> Pat {
        let apart = depth > 0 && self.choices.chance(40);
        match ty.kind() {
            Kind::Tuple(items) if apart => {
                let parts: Vec<Pat> = items.iter().map(|item| self.whole(item, depth - 1)).collect();
                self.tuple(parts)
            }
            Kind::Record(record) if apart => {
                let labels: Vec<(String, Ty)> =
                    record.fields.iter().map(|field| (field.label.to_string(), field.ty.clone())).collect();
                self.record_pattern(&labels, None, depth)
            }
            Kind::Variant(variant) if apart && variant.cases.len() == 1 => {
                let (label, payload) = (variant.cases[0].label.clone(), variant.cases[0].payload.clone());
                let held = self.whole(&payload, depth - 1);
                self.case(&label, &payload, held)
            }
            Kind::Unit if apart => Pat::new("()"),
            _ => self.atom(ty),
        }
    }

    /// A name, or nothing of interest.
    fn atom(&mut self, ty: &Ty) -> Pat {
        if self.choices.chance(35) {
            return Pat::new("_");
        }
        self.fresh += 1;
        let name = format!("v{}", self.fresh);
        let var = Var { name: name.clone(), ty: ty.clone(), konst: false };
        Pat { text: name, vars: vec![var] }
    }

    fn tuple(&mut self, parts: Vec<Pat>) -> Pat {
        let text = parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(", ");
        Pat { text: format!("({text})"), vars: parts.into_iter().flat_map(|part| part.vars).collect() }
    }

    /// Names some fields; `one` has its own pattern.
    fn record_pattern(&mut self, fields: &[(String, Ty)], one: Option<(usize, Pat)>, depth: u32) -> Pat {
        let (mut texts, mut vars) = (vec![], vec![]);
        let mut open = false;
        for (index, (label, ty)) in fields.iter().enumerate() {
            if let Some((_, part)) = one.as_ref().filter(|(at, _)| *at == index) {
                texts.push(format!("{label}: {}", part.text));
                vars.extend(part.vars.clone());
            } else if self.choices.chance(40) {
                open = true;
            } else if !self.bound.contains(label) && self.choices.chance(60) {
                self.bound.insert(label.clone());
                texts.push(label.clone());
                vars.push(Var { name: label.clone(), ty: ty.clone(), konst: false });
            } else {
                let part = self.whole(ty, depth.saturating_sub(1));
                texts.push(format!("{label}: {}", part.text));
                vars.extend(part.vars);
            }
        }
        if open {
            texts.push("..".to_owned());
        }
        Pat { text: format!("{{ {} }}", texts.join(", ")), vars }
    }

    fn case(&mut self, label: &str, payload: &Ty, held: Pat) -> Pat {
        match payload.kind() {
            Kind::Unit => Pat::new(label),
            Kind::Record(_) if held.text.starts_with('{') => held.within(&format!("{label} "), ""),
            Kind::Tuple(_) if held.text.starts_with('(') && held.text.ends_with(')') => {
                held.within(label, "")
            }
            _ => held.within(&format!("{label}("), ")"),
        }
    }

    fn cover(&mut self, ty: &Ty, depth: u32) -> Vec<Pat> {
        if depth == 0 || !self.choices.chance(85) {
            return vec![self.whole(ty, depth.min(1))];
        }
        match ty.kind() {
            Kind::Bool => vec![Pat::new("true"), Pat::new("false")],
            Kind::Int { .. } => self.cover_int(ty),
            Kind::Text { .. } => {
                let mut found = vec![];
                for _ in 0..1 + self.choices.index(2) {
                    let text = Value::text(&self.a_text(None)).to_source(&Ty::text());
                    if found.iter().all(|pat: &Pat| pat.text != text) {
                        found.push(Pat::new(text));
                    }
                }
                found.push(self.atom(ty));
                found
            }
            Kind::Duration => vec![Pat::new(*self.choices.pick(&["0ms", "1s", "90s", "2h"])), self.atom(ty)],
            Kind::Option(item) => {
                let held = self.cover(item, depth - 1);
                let some = held.into_iter().map(|pat| self.case("Some", item, pat));
                let some: Vec<Pat> = some.collect();
                let some = self.merged(some);
                match self.choices.chance(50) {
                    false => [vec![Pat::new("None")], some].concat(),
                    true => [some, vec![Pat::new("None")]].concat(),
                }
            }
            Kind::Variant(_) => self.cover_cases(ty, depth),
            Kind::Tuple(items) => {
                let at = self.choices.index(items.len());
                let one = self.cover(&items[at], depth - 1);
                let row = |generator: &mut Generator, pat: Pat| {
                    let mut parts: Vec<Pat> = items.iter().map(|item| generator.whole(item, 1)).collect();
                    parts[at] = pat;
                    generator.tuple(parts)
                };
                one.into_iter().map(|pat| row(self, pat)).collect()
            }
            Kind::Record(record) => {
                let fields: Vec<(String, Ty)> =
                    record.fields.iter().map(|field| (field.label.to_string(), field.ty.clone())).collect();
                let at = self.choices.index(fields.len());
                let one = self.cover(&fields[at].1, depth - 1);
                one.into_iter().map(|pat| self.record_pattern(&fields, Some((at, pat)), 1)).collect()
            }
            _ => vec![self.whole(ty, depth.min(1))],
        }
    }

    fn cover_int(&mut self, ty: &Ty) -> Vec<Pat> {
        let &Kind::Int { lo, hi } = ty.kind() else { unreachable!("callers pass numbers") };
        if (lo, hi) != (i64::MIN, i64::MAX) && self.choices.chance(50) {
            return self.cover_range(lo, hi, ty);
        }
        let mut found = vec![];
        let mut literals: Vec<i64> = vec![];
        for _ in 0..self.choices.index(3) {
            let int = self.an_int(lo, hi);
            if !literals.contains(&int) {
                literals.push(int);
                found.push(Pat::new(int.to_string()));
            }
        }
        // Apart from each other, and larger than the few numbers before them.
        let ranges = [(0, 5), (-9, -3), (7, 100), (i64::MIN, -10)];
        let first = self.choices.index(ranges.len());
        let count = self.choices.index(3);
        let mut left = i128::from(hi) - i128::from(lo) + 1 - literals.len() as i128;
        let inside: Vec<(i64, i64)> = ranges.iter().cycle().skip(first).take(count).copied().collect();
        for (from, to) in inside {
            let (from, to) = (from.max(lo), to.min(hi));
            let taken = literals.iter().filter(|int| (from..=to).contains(*int)).count() as i128;
            let fresh = i128::from(to) - i128::from(from) + 1 - taken;
            if from <= to && fresh > 0 {
                left -= fresh;
                found.push(Pat::new(format!("{from}..={to}")));
            }
        }
        if left > 0 {
            found.push(self.atom(ty));
        }
        found
    }

    /// Cuts the numbers of a range into a few parts, each taken by its literal or range; the last
    /// may be a name.
    fn cover_range(&mut self, lo: i64, hi: i64, ty: &Ty) -> Vec<Pat> {
        let mut starts = vec![lo];
        for _ in 0..self.choices.index(3) {
            let start = self.an_int(lo, hi);
            if !starts.contains(&start) {
                starts.push(start);
            }
        }
        starts.sort_unstable();
        let mut ends: Vec<i64> = starts[1..].iter().map(|start| start - 1).collect();
        ends.push(hi);
        let mut parts: Vec<(i64, i64)> = starts.into_iter().zip(ends).collect();
        let first = self.choices.index(parts.len());
        parts.rotate_left(first);
        let mut found: Vec<Pat> = parts
            .into_iter()
            .map(|(from, to)| match from == to && self.choices.chance(80) {
                true => Pat::new(from.to_string()),
                false => Pat::new(format!("{from}..={to}")),
            })
            .collect();
        if self.choices.chance(25) {
            found.pop();
            found.push(self.atom(ty));
        }
        found
    }

    fn cover_cases(&mut self, ty: &Ty, depth: u32) -> Vec<Pat> {
        let variant = ty.as_variant().expect("callers pass variants").clone();
        let mut groups: Vec<Vec<Pat>> = vec![];
        let mut index = 0;
        while let Some(case) = variant.cases.get(index) {
            index += 1;
            // Two cases that hold the same may give it one name.
            let next = variant.cases.get(index).filter(|next| next.payload == case.payload);
            if let Some(next) = next.filter(|next| !matches!(next.payload.kind(), Kind::Unit))
                && self.choices.chance(30)
            {
                self.fresh += 1;
                let name = format!("v{}", self.fresh);
                let var = Var { name: name.clone(), ty: case.payload.clone(), konst: false };
                let text = format!("{}({name}) | {}({name})", case.label, next.label);
                groups.push(vec![Pat { text, vars: vec![var] }]);
                index += 1;
                continue;
            }
            let held = match case.payload.kind() {
                Kind::Unit => vec![Pat::new("")],
                _ => self.cover(&case.payload, depth - 1),
            };
            let pats = held.into_iter().map(|pat| self.case(&case.label, &case.payload, pat)).collect();
            groups.push(self.merged(pats));
        }
        let first = self.choices.index(groups.len());
        groups.rotate_left(first);
        if groups.len() > 1 && self.choices.chance(25) {
            let kept = 1 + self.choices.index(groups.len() - 1);
            groups.truncate(kept);
            groups.push(vec![self.atom(ty)]);
        }
        groups.concat()
    }

    /// Makes one pattern with alternatives of two that bind nothing, now and then.
    fn merged(&mut self, pats: Vec<Pat>) -> Vec<Pat> {
        let mut found: Vec<Pat> = vec![];
        for pat in pats {
            match found.last_mut() {
                Some(last) if last.vars.is_empty() && pat.vars.is_empty() && self.choices.chance(30) => {
                    last.text = format!("{} | {}", last.text, pat.text);
                }
                _ => found.push(pat),
            }
        }
        found
    }
}

impl Pat {
    /// Returns the text where alternatives need parentheses, and the names.
    pub(super) fn into_parts(self) -> (String, Vec<Var>) {
        (self.text, self.vars)
    }
}
