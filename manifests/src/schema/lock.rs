//! The shape of `camshaft.lock`.

use super::form::{DIGEST, NAME, RELEASE_NAME, VERSION};
use super::shape::{Shape, Table, optional, required, table, tables};

pub(super) const EXAMPLE: &str = r#"# Pins the predecessors of this release. Written by camshaft; commit it, do not edit it.
version = 1

[[predecessor]]
release = "shop"
version = "1.0.0"
digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

[[app]]
name = "stock"
version = "1.4.0"

[app.held_by]
release = "depot"
version = "3.0.0"
digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"#;

pub(super) fn shape() -> Table {
    let release = || {
        vec![
            required("release", RELEASE_NAME, "The name of the release."),
            required("version", VERSION, "Its version."),
            required("digest", DIGEST, "The digest of its bundle."),
        ]
    };
    let app = table(vec![
        required("name", NAME, "The application."),
        required("version", VERSION, "Its version."),
        required("held_by", table(release()), "The release that it is taken from."),
    ]);
    let predecessor = table(release());
    table(vec![
        required("version", Shape::Number(1, 1), "The format of this file."),
        optional(
            "predecessor",
            tables(predecessor),
            "it has no predecessors",
            "The predecessors, sorted by name and version.",
        ),
        optional("app", tables(app), "", "Applications that are taken from releases, sorted by name."),
    ])
}
