//! The binary `camshaft`.

fn main() -> std::process::ExitCode {
    camshaft_cli::run()
}
