//! The files under `docs/` that come from the source: one JSON Schema a document, and the tables of
//! the reference page. `UPDATE_EXPECT=1` writes them anew.

use std::fs;
use std::path::Path;

use camshaft_cam::diagnostic::Source;
use camshaft_manifests::schema::Document;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository")
}

/// Compares a file with what it should be; with `UPDATE_EXPECT` set, writes it anew.
fn check(path: &Path, expected: &str) {
    let found = fs::read_to_string(path).unwrap_or_default();
    if found != expected && std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path, expected).expect("the file can be written");
        return;
    }
    assert_eq!(found, expected, "{}: run with UPDATE_EXPECT=1 to write it anew", path.display());
}

#[test]
fn the_schemas_are_those_of_the_source_and_there_are_no_others() {
    let folder = repository().join("docs/schema");
    for document in Document::ALL {
        check(&folder.join(format!("{}.json", document.name())), &document.json_schema());
    }
    let mut files: Vec<String> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry of a folder").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut names: Vec<String> =
        Document::ALL.iter().map(|document| format!("{}.json", document.name())).collect();
    names.sort();
    assert_eq!(files, names);
}

#[test]
fn the_reference_page_has_a_table_and_an_example_of_every_document() {
    let path = repository().join("docs/manifests.md");
    let mut page = fs::read_to_string(&path).expect("the page is there");
    for document in Document::ALL {
        let text = format!("```toml\n{}```\n\n{}", document.example(), document.key_table());
        let (begin, end) =
            (format!("<!-- begin {} -->\n", document.name()), format!("<!-- end {} -->", document.name()));
        let (before, rest) =
            page.split_once(&begin).unwrap_or_else(|| panic!("no mark of {}", document.name()));
        let (_, after) =
            rest.split_once(&end).unwrap_or_else(|| panic!("no end mark of {}", document.name()));
        page = format!("{before}{begin}{text}{end}{after}");
    }
    check(&path, &page);
}

#[test]
fn the_example_of_supervision_is_an_application() {
    let page = fs::read_to_string(repository().join("docs/supervision.md")).expect("the page is there");
    let (_, rest) = page.split_once("```toml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("the end of the example");
    let app = camshaft_manifests::app::read(&Source::new("app.toml", example)).expect("it is an app.toml");
    let declared: Vec<&str> = app.machines.iter().map(|name| app.supervision.on_trap(name).word()).collect();
    assert_eq!(declared, ["hold", "refuse", "reset"]);
}
