//! `tidy`: the house rules. One function per rule in [`crate::rules`]; this is their list.

use std::path::Path;

use anyhow::Result;

use crate::fault::Fault;
use crate::rules;
use crate::tree::{self, TextFile};

/// A rule: from the text files of a tree to the places that break it.
type Rule = fn(&Path, &[TextFile]) -> Vec<Fault>;

/// All rules. A new rule needs a test that plants its fault, below or beside the rule.
const RULES: [Rule; 11] = [
    rules::map::code_map,
    rules::map::links,
    rules::map::examples_are_explained,
    rules::map::codes_are_explained,
    rules::experiments::otp_experiments,
    rules::text::machine_paths,
    rules::text::unfinished,
    rules::text::lengths,
    rules::text::purity,
    rules::text::who_prints,
    rules::modules::forgotten,
];

/// Returns every broken rule.
pub fn check(root: &Path) -> Result<Vec<Fault>> {
    let files = tree::text_files(root)?;
    Ok(RULES.iter().flat_map(|rule| rule(root, &files)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree in order; each test plants one fault in it.
    const SOUND: [(&str, &str); 7] = [
        (
            "docs/architecture.md",
            "## Code map\n\n- `cam/`: the language\n- `cam/src/syntax/`: its texts\n- `docs/`: this\n- `tests/`: tests\n",
        ),
        ("cam/Cargo.toml", ""),
        ("cam/src/lib.rs", "//! Pure.\nmod syntax;\n"),
        ("cam/src/syntax/mod.rs", "mod tree;\n"),
        ("cam/src/syntax/tree.rs", ""),
        ("tests/tests/tour.rs", "mod help;\n"),
        ("tests/tests/help/mod.rs", ""),
    ];

    fn check_planted(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        for (path, text) in SOUND.iter().chain(files) {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("every planted file has a folder"))
                .expect("writable");
            std::fs::write(path, text).expect("writable");
        }
        let faults = check(folder.path()).expect("the tree can be read");
        faults.iter().map(|fault| format!("{}:{}: {}", fault.file, fault.line, fault.message)).collect()
    }

    #[test]
    fn a_sound_tree_passes() {
        assert_eq!(check_planted(&[]), Vec::<String>::new());
    }

    #[test]
    fn a_folder_that_is_gone_and_one_that_nobody_explains_are_found() {
        let map = SOUND[0].1.replace("`cam/src/syntax/`", "`cam/src/sintax/`");
        assert_eq!(
            check_planted(&[("docs/architecture.md", &map)]),
            [
                "docs/architecture.md:4: the code map names `cam/src/sintax/`, which does not exist",
                "docs/architecture.md:1: the code map does not name the folder `cam/src/syntax/`"
            ]
        );
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        assert_eq!(
            check_planted(&[(
                "docs/a.md",
                "see [b](b.md) and [map](architecture.md#code-map) and [x](https://example.org)\n"
            )]),
            ["docs/a.md:1: the link leads to `b.md`, which does not exist"]
        );
    }

    #[test]
    fn an_example_without_a_readme_is_found() {
        let map = format!("{}- `examples/`: programs\n", SOUND[0].1);
        assert_eq!(
            check_planted(&[("docs/architecture.md", &map), ("examples/shop/release.toml", "")]),
            ["examples/shop/README.md:1: the example has no README"]
        );
    }

    #[test]
    fn a_code_without_an_explanation_and_one_that_is_gone_are_found() {
        let map = format!("{}- `cli/`: the command line\n- `cli/src/command/`: commands\n", SOUND[0].1);
        let files = [
            ("docs/architecture.md", map.as_str()),
            ("cli/Cargo.toml", ""),
            ("cli/src/command/explain.md", "## E0101: a\n\n## E0102: b\n"),
            ("cam/src/syntax/tree.rs", "fn f() { g(\"E0101\"); g(\"E0103\") }\n"),
        ];
        assert_eq!(
            check_planted(&files),
            [
                "cli/src/command/explain.md:3: nothing reports E0102 any more",
                "cam/src/syntax/tree.rs:1: E0103 has no explanation"
            ]
        );
    }

    #[test]
    fn a_machine_path_is_found_in_any_text() {
        let text = format!("a\nsee {}ann/x\n", concat!("/ho", "me/"));
        let found = check_planted(&[("docs/a.md", &text)]);
        assert_eq!(found, [format!("docs/a.md:2: a path of one machine: `{}`", concat!("/ho", "me/"))]);
    }

    #[test]
    fn unfinished_work_is_found() {
        let text = format!("fn f() {{\n    {}()\n}}\n", concat!("to", "do!"));
        let found = check_planted(&[("cam/src/lib.rs", &format!("mod syntax;\n{text}"))]);
        assert_eq!(found, [format!("cam/src/lib.rs:3: unfinished: `{}`", concat!("to", "do!"))]);
    }

    #[test]
    fn a_long_file_is_a_warning() {
        let text = "mod syntax;\n".to_owned() + &"// a line\n".repeat(900);
        assert_eq!(check_planted(&[("cam/src/lib.rs", &text)]), ["cam/src/lib.rs:901: 901 lines"]);
    }

    #[test]
    fn a_pure_crate_that_touches_the_world_is_found_and_a_comment_is_not() {
        let text =
            "mod syntax;\n// std::fs is for others\nuse std::fs::File;\nfn f() { let t = Instant::now(); }\n";
        assert_eq!(
            check_planted(&[("cam/src/lib.rs", text)]),
            [
                "cam/src/lib.rs:3: `cam` is pure and uses `std::fs`",
                "cam/src/lib.rs:4: `cam` is pure and uses `Instant`"
            ]
        );
    }

    #[test]
    fn a_crate_that_prints_and_is_not_the_command_line_is_found() {
        let map = format!("{}- `agent/`: a node\n", SOUND[0].1);
        let files = [
            ("docs/architecture.md", map.as_str()),
            ("agent/Cargo.toml", ""),
            ("agent/src/lib.rs", "fn f() { println!(\"x\"); }\n"),
        ];
        assert_eq!(check_planted(&files), ["agent/src/lib.rs:1: `agent` uses `println!`"]);
    }

    #[test]
    fn a_file_that_no_module_names_is_found() {
        assert_eq!(
            check_planted(&[("cam/src/syntax/lost.rs", ""), ("tests/tests/help/lost.rs", "")]),
            [
                "cam/src/syntax/lost.rs:1: no module names this file",
                "tests/tests/help/lost.rs:1: no module names this file"
            ]
        );
    }
}
