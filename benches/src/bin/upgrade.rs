//! `cargo xtask bench upgrade`: see [`camshaft_benches::upgrade`].

use std::process::ExitCode;

fn main() -> ExitCode {
    camshaft_benches::upgrade::main()
}
