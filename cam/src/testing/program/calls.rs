//! Calls of standard functions in generated programs.

use crate::check::widened;
use crate::ty::Ty;

use super::Generator;
use super::expr::{Ex, Form, TIGHT};
use super::standard::{Argument, Letters, Shape, Signature, admits};

impl Generator {
    /// Finds a standard function that gives the type.
    pub(super) fn standard_form(&mut self, ty: &Ty) -> Option<Form> {
        let mut found = vec![];
        for signature in &self.signatures {
            let mut letters = Letters::new();
            if signature.result.fits(ty, &mut letters) && !signature.widens(&letters) {
                found.push((signature.clone(), letters));
            }
        }
        let chosen = self.choices.index(found.len().max(1));
        found.into_iter().nth(chosen).map(|call| Form::Standard(Box::new(call)))
    }

    /// Makes a call of any standard function, whatever it gives.
    pub(super) fn any_standard_call(&mut self, depth: u32) -> Ex {
        let signatures = self.signatures.clone();
        let signature = self.choices.pick(&signatures);
        self.standard_call(signature, Letters::new(), depth)
    }

    /// Makes a call of a standard function.
    pub(super) fn standard_call(&mut self, signature: &Signature, mut letters: Letters, depth: u32) -> Ex {
        let subject = self.subject(signature, &mut letters, depth);
        for letter in signature.arguments.iter().flat_map(Argument::letters) {
            letters.entry(letter).or_insert_with(|| self.letter(letter));
        }
        let bound = signature.subject.letters();
        let mut args = vec![];
        for argument in &signature.arguments {
            args.push(self.argument(signature, argument, &letters, &bound, depth));
        }
        let text = match self.choices.chance(10) {
            false => format!("{}.{}({})", subject.at(TIGHT), signature.name, args.join(", ")),
            true => {
                args.insert(0, subject.text);
                format!("{}({})", signature.name, args.join(", "))
            }
        };
        Ex::new(text, TIGHT, &signature.result.ty(&letters))
    }

    /// Makes what a standard function is called on: most of the time something at hand.
    fn subject(&mut self, signature: &Signature, letters: &mut Letters, depth: u32) -> Ex {
        let fits = |path: &Ex| {
            let mut letters = letters.clone();
            let free = matches!(signature.subject, Shape::Letter(_)) && path.ty != widened(&path.ty);
            !free && signature.subject.fits(&widened(&path.ty), &mut letters)
        };
        let found: Vec<Ex> = self.paths().into_iter().filter(fits).collect();
        if !found.is_empty() && self.choices.chance(70) {
            let path = self.choices.pick(&found).clone();
            let fits = signature.subject.fits(&widened(&path.ty), letters);
            assert!(fits, "it did above");
            return path;
        }
        for letter in signature.subject.letters() {
            letters.entry(letter).or_insert_with(|| self.letter(letter));
        }
        self.infer(&signature.subject.ty(letters), depth)
    }

    /// Chooses what a letter stands for.
    fn letter(&mut self, letter: char) -> Ty {
        let ty = match letter {
            'k' | 'j' => self.key_ty(),
            's' => self.choices.pick(&[Ty::int(), Ty::bool(), Ty::text(), Ty::duration()]).clone(),
            _ => self.pick_ty(),
        };
        let ty = widened(&ty);
        if admits(letter, &ty) { ty } else { Ty::int() }
    }

    fn argument(
        &mut self,
        signature: &Signature,
        argument: &Argument,
        letters: &Letters,
        bound: &[char],
        depth: u32,
    ) -> String {
        match argument {
            // What is done so many times ends in most programs.
            Argument::Value(Shape::Plain(times)) if times.is_int() && self.choices.chance(70) => {
                self.choices.below(5).to_string()
            }
            Argument::Value(shape) => {
                let ty = shape.ty(letters);
                let known =
                    !matches!(shape, Shape::List(_)) && shape.letters().iter().all(|l| bound.contains(l));
                match known {
                    // What an Option is without is computed only then.
                    true if signature.name == "or" => self.check_or_fail(&ty, depth).text,
                    true => self.check(&ty, depth).text,
                    false => self.infer(&ty, depth).text,
                }
            }
            Argument::Lambda(params, result) => {
                let params: Vec<Ty> = params.iter().map(|param| param.ty(letters)).collect();
                let ty = result.ty(letters);
                let known =
                    ["update", "update_or", "iterate", "iterate_while", "fold"].contains(&signature.name);
                self.lambda(&params, |generator| match known || ty == Ty::bool() {
                    true => generator.check(&ty, depth),
                    false => generator.infer(&ty, depth),
                })
            }
        }
    }
}

impl Argument {
    fn letters(&self) -> Vec<char> {
        match self {
            Argument::Value(shape) => shape.letters(),
            Argument::Lambda(params, result) => {
                params.iter().chain([result]).flat_map(Shape::letters).collect()
            }
        }
    }
}
