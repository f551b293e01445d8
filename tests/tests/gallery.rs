//! The gallery and the guide: what they say that the tool prints is what it prints.
//!
//! A block ```` ```console ```` holds commands and their output, each run in a copy of a project of the
//! gallery whose versions were built into `dist`, the oldest first. After `console` may stand
//! `in=PROJECT`, for pages outside of the gallery, and `without=FILE`: a file that is taken away for
//! the commands of the block. `UPDATE_EXPECT=1` writes the outputs anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use camshaft_cam::derive::RULES;
use camshaft_tests::{World, repository};

const FENCE: &str = "```console";

/// The rules that no README shows, and why.
const NOT_SHOWN: [(&str, &str); 11] = [
    ("U001", "nothing changed"),
    ("U007", "told as the item's rule"),
    ("U010", "told as the item's rule"),
    ("U012", "told as the value's rule"),
    ("U014", "told as the member's rule"),
    ("U020", "told as a field that is gone and one that is new: types alone are compared"),
    ("U021", "told as the rule of the field's type"),
    ("U026", "told as a case that is gone and one that is new, likewise"),
    ("U027", "told as the rule of what the case holds"),
    ("U030", "names of types carry no meaning"),
    ("U037", "told as the rule of what changed in it"),
];

/// Returns the names of the gallery's projects.
fn projects() -> Vec<String> {
    let entries = fs::read_dir(repository().join("examples/gallery")).expect("there is a gallery");
    let folders = entries.flatten().filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert!(names.len() >= 10, "{names:?}");
    names
}

fn readme(project: &str) -> PathBuf {
    repository().join("examples/gallery").join(project).join("README.md")
}

fn read(page: &Path) -> String {
    fs::read_to_string(page).unwrap_or_else(|error| panic!("cannot read {}: {error}", page.display()))
}

/// A copy of a project of the gallery.
struct Copy {
    world: World,
    versions: Vec<String>,
}

impl Copy {
    /// Returns a copy, with every version built into `dist`.
    fn of(project: &str) -> Copy {
        let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
        world.copy_example(&format!("gallery/{project}"), ".");
        let is_there = |version: &String| world.at(version).is_dir();
        let versions: Vec<String> =
            (1..).map(|number| format!("v{number}")).take_while(|version| is_there(version)).collect();
        assert!(versions.len() >= 2, "{project} has no two versions");
        for version in &versions {
            world.run(&["build", version, "-o", "dist"]).expect(0);
        }
        Copy { world, versions }
    }

    /// Returns what a command prints.
    fn answer(&self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some((&"camshaft", words)) = words.split_first() else {
            panic!("`{line}` is no command of ours")
        };
        let done = self.world.run(words);
        let printed = done.stderr + &done.stdout;
        let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
        format!("$ {line}\n{}\n", lines.join("\n").trim_end())
    }

    /// Returns a block as it should be: its commands, each with what it prints now.
    fn block(&self, block: &str, without: &[&str]) -> String {
        let away: Vec<(&str, Vec<u8>)> = without.iter().map(|file| (*file, self.world.read(file))).collect();
        for (file, _) in &away {
            fs::remove_file(self.world.at(file)).expect("the file is there");
        }
        let commands = block.lines().filter_map(|line| line.strip_prefix("$ "));
        let answers: Vec<String> = commands.map(|command| self.answer(command)).collect();
        assert!(!answers.is_empty(), "a block without a command: {block}");
        for (file, bytes) in away {
            self.world.write(file, bytes);
        }
        answers.join("\n")
    }
}

/// Returns a page as it should be. `here` is the project that it stands in, if it does.
fn page_as_it_should_be(text: &str, here: Option<&str>) -> String {
    let mut parts = text.split(FENCE);
    let mut page = parts.next().unwrap_or_default().to_owned();
    let mut copies: Vec<(String, Copy)> = Vec::new();
    for part in parts {
        let (info, rest) = part.split_once('\n').expect("a block has lines");
        let (block, after) = rest.split_once("```").expect("a block has an end");
        let settings =
            |name: &'static str| info.split_whitespace().filter_map(move |word| word.strip_prefix(name));
        let project =
            settings("in=").next().or(here).expect("a block of a page says in which project it is run");
        let known = copies.iter().position(|(name, _)| name == project).unwrap_or_else(|| {
            copies.push((project.to_owned(), Copy::of(project)));
            copies.len() - 1
        });
        let block = copies[known].1.block(block, &settings("without=").collect::<Vec<_>>());
        page += &format!("{FENCE}{info}\n{block}```{after}");
    }
    page
}

fn check_page(page: &Path, here: Option<&str>) {
    let found = read(page);
    let expected = page_as_it_should_be(&found, here);
    if found != expected && std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(page, expected).expect("the page can be written");
        return;
    }
    assert_eq!(found, expected, "{}: run with UPDATE_EXPECT=1 to write it anew", page.display());
}

#[test]
fn the_gallery_says_what_the_tool_says() {
    for project in projects() {
        let page = readme(&project);
        assert!(read(&page).contains("\n$ camshaft diff dist/"), "{project} shows no `camshaft diff`");
        check_page(&page, Some(&project));
    }
}

#[test]
fn the_guide_says_what_the_tool_says() {
    let guide = repository().join("docs/changing-a-machine.md");
    assert!(read(&guide).matches(FENCE).count() >= 3, "the guide shows what the tool prints");
    check_page(&guide, None);
    let migration = "examples/gallery/narrower/v2/apps/tower/migrations/lift-2.0.0-from-1.0.0.cam";
    let block = format!("```cam-migration\n{}```", read(&repository().join(migration)));
    assert!(read(&guide).contains(&block), "the guide shows {migration} as it is");
}

#[test]
fn the_page_about_releases_says_what_the_tool_says() {
    let page = repository().join("docs/releases.md");
    assert!(read(&page).contains("\n$ camshaft relup plan dist/"), "the page shows a plan");
    check_page(&page, None);
}

#[test]
fn the_machines_of_the_gallery_are_formatted_and_pass_their_tests() {
    for project in projects() {
        let copy = Copy::of(&project);
        for version in &copy.versions {
            copy.world.run(&["fmt", "--check", version]).expect(0);
            let told = copy.world.run(&["test", version, "--json"]).expect(0);
            assert!(told.stdout.contains(".cam"), "{project}/{version} has no tests: {told:?}");
        }
    }
}

#[test]
fn the_gallery_is_listed_and_shows_every_rule() {
    let list = read(&repository().join("examples/gallery/README.md"));
    let mut pages = String::new();
    for project in projects() {
        assert!(list.contains(&format!("({project}/README.md)")), "the gallery's README names {project}");
        pages += &read(&readme(&project));
    }
    let rules = RULES.iter().map(|text| text.rule.to_string());
    let shown = |rule: &String| pages.contains(&format!(" {rule} "));
    let missing: BTreeSet<String> = rules.filter(|rule| !shown(rule)).collect();
    let expected: BTreeSet<String> = NOT_SHOWN.iter().map(|(rule, _)| (*rule).to_owned()).collect();
    assert_eq!(missing, expected, "rules that the gallery does not show");
}
