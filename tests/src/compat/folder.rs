//! Where artefacts are kept, and how one is added. Nothing is ever written over.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::{compiled, expected_of_bundle, expected_of_machine};

/// The files of an artefact.
const SOURCE: &str = "source.cam";
const MODULE: &str = "module.cam2";
const BUNDLE: &str = "bundle.tar.gz";
const INPUTS: &str = "inputs.json";
const EXPECTED: &str = "expected.json";

/// An artefact that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Artefact {
    /// The generation that it belongs to, from 1.
    pub generation: u32,
    /// Its name; the same in all generations.
    pub name: String,
    folder: PathBuf,
}

/// Returns all artefacts under a folder, by generation and name.
///
/// # Errors
///
/// When the folder cannot be listed, or holds what is no generation.
pub fn all(root: &Path) -> Result<Vec<Artefact>, String> {
    let mut found = Vec::new();
    for (generation, folder) in folders(root)? {
        let number = generation.strip_prefix('v').and_then(|number| number.parse().ok());
        let number = number.ok_or_else(|| format!("`{generation}` is no generation, such as `v1`"))?;
        for (name, folder) in folders(&folder)? {
            found.push(Artefact { generation: number, name, folder });
        }
    }
    found.sort();
    Ok(found)
}

fn folders(root: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let listed = |error: std::io::Error| format!("cannot list {}: {error}", root.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).map_err(listed)? {
        let entry = entry.map_err(listed)?;
        if entry.path().is_dir() {
            found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    Ok(found)
}

/// Returns of each name the artefact of its newest generation.
pub fn newest(artefacts: &[Artefact]) -> Vec<&Artefact> {
    let newer = |one: &&Artefact| {
        !artefacts.iter().any(|other| other.name == one.name && other.generation > one.generation)
    };
    artefacts.iter().filter(newer).collect()
}

impl Artefact {
    /// Checks that the bytes which were recorded still are and do what they were and did.
    ///
    /// # Errors
    ///
    /// What differs, in words.
    pub fn check(&self) -> Result<(), String> {
        let inputs = self.text(INPUTS)?;
        let expected = self.text(EXPECTED)?;
        let before: Json = serde_json::from_str(&expected).map_err(|error| format!("{EXPECTED}: {error}"))?;
        let found = match self.is_bundle() {
            true => expected_of_bundle(&self.bytes(BUNDLE)?, &inputs, Some(&before))?,
            false => expected_of_machine(&self.bytes(MODULE)?, &inputs, Some(&before))?,
        };
        match first_difference(&before, &found, "$") {
            Some(difference) => Err(difference),
            None => Ok(()),
        }
    }

    /// Checks that the compiler of today writes the bytes which were recorded.
    ///
    /// # Errors
    ///
    /// When it writes others, with what is to be done when that is meant.
    pub fn check_compiler(&self) -> Result<(), String> {
        if !self.folder.join(SOURCE).is_file() || compiled(&self.text(SOURCE)?)? == self.bytes(MODULE)? {
            return Ok(());
        }
        let Artefact { name, generation, folder } = self;
        let at = folder.display();
        Err(format!(
            "the compiler writes other bytes than generation {generation} has. Releases that are built anew get \
             other digests. If that is meant, record it: cargo xtask compat add {name} {at}/{SOURCE} {at}/{INPUTS}"
        ))
    }

    /// Returns the bytes of the module; `None` for a bundle.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn module(&self) -> Result<Option<Vec<u8>>, String> {
        if self.is_bundle() { Ok(None) } else { self.bytes(MODULE).map(Some) }
    }

    fn is_bundle(&self) -> bool {
        self.folder.join(BUNDLE).is_file()
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        read(&self.folder.join(name))
    }

    fn text(&self, name: &str) -> Result<String, String> {
        text(&self.folder.join(name))
    }
}

/// Records a machine file, a module without a source or a bundle under a name: in the newest generation, or in a new one when
/// that has the name already, with other bytes. Returns the new artefact.
///
/// # Errors
///
/// When the same is recorded already, or there is nothing to record: the source does not compile, the
/// inputs are not those of the machine.
pub fn add(root: &Path, name: &str, file: &Path, inputs: &Path) -> Result<Artefact, String> {
    let good = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !good {
        return Err(format!("`{name}` is no name: letters, digits and `-`"));
    }
    let inputs = text(inputs)?;
    let is_a = |end: &str| file.extension().is_some_and(|found| found == end);
    let (kept, bytes, source, expected) = if is_a("gz") {
        let bytes = read(file)?;
        let expected = expected_of_bundle(&bytes, &inputs, None)?;
        (BUNDLE, bytes, None, expected)
    } else if is_a("cam2") {
        let bytes = read(file)?;
        let expected = expected_of_machine(&bytes, &inputs, None)?;
        (MODULE, bytes, None, expected)
    } else {
        let source = text(file)?;
        let bytes = compiled(&source)?;
        let expected = expected_of_machine(&bytes, &inputs, None)?;
        (MODULE, bytes, Some(source), expected)
    };
    let artefacts = if root.is_dir() { all(root)? } else { vec![] };
    let last = artefacts.iter().map(|artefact| artefact.generation).max().unwrap_or(1);
    let generation = match artefacts.iter().rfind(|artefact| artefact.name == name) {
        Some(known) if known.folder.join(kept).is_file() && known.bytes(kept)? == bytes => {
            return Err(format!("`{name}` of generation {} has the same bytes already", known.generation));
        }
        Some(known) if known.generation == last => last + 1,
        _ => last,
    };
    let folder = root.join(format!("v{generation}")).join(name);
    let written = |error: std::io::Error| format!("cannot write {}: {error}", folder.display());
    std::fs::create_dir_all(folder.parent().unwrap_or(root)).map_err(written)?;
    // Fails when it is there.
    std::fs::create_dir(&folder).map_err(written)?;
    let expected = format!("{expected:#}\n");
    let files = [(kept, Some(bytes)), (SOURCE, source.map(String::into_bytes))];
    let files = files
        .into_iter()
        .chain([(INPUTS, Some(inputs.into_bytes())), (EXPECTED, Some(expected.into_bytes()))]);
    for (name, content) in files {
        if let Some(content) = content {
            std::fs::write(folder.join(name), content).map_err(written)?;
        }
    }
    Ok(Artefact { generation, name: name.to_owned(), folder })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn text(path: &Path) -> Result<String, String> {
    String::from_utf8(read(path)?).map_err(|_| format!("{} is no UTF-8", path.display()))
}

/// Returns where two documents differ first, and how.
fn first_difference(before: &Json, found: &Json, path: &str) -> Option<String> {
    match (before, found) {
        (Json::Object(a), Json::Object(b)) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            names.into_iter().find_map(|name| {
                let part =
                    |of: &serde_json::Map<String, Json>| of.get(name).cloned().unwrap_or(json_missing());
                first_difference(&part(a), &part(b), &format!("{path}.{name}"))
            })
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            (0..a.len()).find_map(|index| first_difference(&a[index], &b[index], &format!("{path}[{index}]")))
        }
        _ => (before != found).then(|| format!("{path} was {before}, and is {found}")),
    }
}

fn json_missing() -> Json {
    Json::String("(missing)".to_owned())
}
