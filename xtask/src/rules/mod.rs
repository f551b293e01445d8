//! The house rules, by what they look at.

pub mod experiments;
pub mod map;
pub mod modules;
pub mod text;
