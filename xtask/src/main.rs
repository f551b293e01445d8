//! Tasks for those who work on Camshaft.

fn main() {}
