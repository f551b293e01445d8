//! The binary `camshaft` as the tests run it: with failpoints compiled in.

fn main() -> std::process::ExitCode {
    camshaft_cli::run()
}
