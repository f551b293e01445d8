//! The syntax of machine and migration files: lexer, lossless tree, parser, and the plain tree.
//!
//! One pass of the parser makes both trees: the lossless one, in which every byte of the source
//! stands (a formatter and a language server work on it), and the plain one that the checker
//! works on. The lossless tree exists for every text; the plain one only for texts without
//! syntax errors.
//!
//! What must stay true: the text of the lossless tree is the source, byte for byte; no text makes
//! the parser panic or recurse deeper than [`NESTING_MAX`] allows.

pub mod ast;
pub mod entry;
pub mod kind;
mod lexer;
mod parser;
pub mod suite;
#[cfg(test)]
mod tests;

use crate::diagnostic::{Diagnostic, Source};

pub use kind::{Cam, Kind};

/// How deep blocks, expressions, types and patterns may nest. Bounds the stack that the parser
/// and everything after it needs.
pub const NESTING_MAX: usize = 96;

/// The largest source text in bytes. Machines are a few hundred lines.
pub const SOURCE_MAX: usize = 1 << 20;

/// A parsed text.
#[derive(Debug, Clone)]
pub struct Parse {
    /// The lossless tree.
    pub green: rowan::GreenNode,
    /// What is wrong; empty for a good text.
    pub errors: Vec<Diagnostic>,
    file: Option<ast::File>,
}

impl Parse {
    /// Returns the root of the lossless tree.
    pub fn tree(&self) -> rowan::SyntaxNode<Cam> {
        rowan::SyntaxNode::new_root(self.green.clone())
    }
}

/// Parses a text, good or bad.
pub fn parse(source: &Source) -> Parse {
    parser::parse(source)
}

/// Parses a text into the plain tree.
///
/// # Errors
///
/// All syntax errors.
pub fn parse_file(source: &Source) -> Result<ast::File, Vec<Diagnostic>> {
    let parse = parse(source);
    match parse.file {
        Some(file) if parse.errors.is_empty() => Ok(file),
        _ => {
            assert!(!parse.errors.is_empty(), "a text without a plain tree has an error");
            Err(parse.errors)
        }
    }
}

/// Parses a text that is one expression and nothing else.
///
/// # Errors
///
/// All syntax errors.
pub fn parse_expression(source: &Source) -> Result<ast::Expr, Vec<Diagnostic>> {
    parser::parse_expression(source)
}
