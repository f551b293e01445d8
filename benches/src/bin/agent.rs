//! `cargo xtask bench agent`: see [`camshaft_benches::agent`].

use std::process::ExitCode;

fn main() -> ExitCode {
    camshaft_benches::agent::main()
}
