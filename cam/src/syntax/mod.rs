//! The syntax of machine and migration files: lexer, lossless tree, parser, and the plain tree.

pub mod ast;
