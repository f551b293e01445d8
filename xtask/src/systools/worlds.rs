//! A pair of releases on disk, for either world.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::cases::{App, Case, Side};

/// The applications of OTP that every release has, with their versions here.
pub type Base = Vec<(String, String)>;

/// Writes the trees of OTP: `lib/APP-VERSION/ebin`, `old.rel`, `new.rel`.
pub fn write_otp(folder: &Path, case: &Case, base: &Base, erts: &str) -> Result<()> {
    for (name, app) in &case.apps {
        for side in app.old.iter().chain(&app.new) {
            let ebin = folder.join("lib").join(format!("{name}-{}", side.version)).join("ebin");
            write(&ebin.join(format!("{name}.app")), &app_file(name, side))?;
            if app.is_changed() && app.new.as_ref() == Some(side) {
                write(&ebin.join(format!("{name}.appup")), &appup_file(app, case.seed))?;
            }
        }
    }
    for (name, version, order, side) in [
        ("old", "1.0.0", &case.old_rel, (|app| app.old.as_ref()) as fn(&App) -> Option<&Side>),
        ("new", "2.0.0", &case.new_rel, |app| app.new.as_ref()),
    ] {
        let mut apps: Vec<String> =
            base.iter().map(|(app, version)| format!("{{{app},\"{version}\"}}")).collect();
        for app in order {
            let side =
                side(&case.apps[app]).with_context(|| format!("{app} is not in the {name} release"))?;
            apps.push(format!("{{{app},\"{}\"}}", side.version));
        }
        let text = format!(
            "{{release,{{\"zoo\",\"{version}\"}},{{erts,\"{erts}\"}},\n [{}]}}.\n",
            apps.join(",\n  ")
        );
        write(&folder.join(format!("{name}.rel")), &text)?;
    }
    Ok(())
}

fn app_file(name: &str, side: &Side) -> String {
    let list = |names: Vec<&str>| names.join(",");
    let modules = list(side.modules.keys().map(String::as_str).collect());
    let depends =
        list(["kernel", "stdlib"].into_iter().chain(side.depends.iter().map(String::as_str)).collect());
    format!(
        "{{application,{name},[{{description,\"\"}},{{vsn,\"{}\"}},{{modules,[{modules}]}},{{registered,[]}},{{applications,[{depends}]}}]}}.\n",
        side.version
    )
}

/// Every second case updates, every other loads: their order is the same.
fn appup_file(app: &App, seed: u64) -> String {
    let (Some(old), Some(new)) = (&app.old, &app.new) else { return String::new() };
    let list = |added: &str, removed: &str| {
        let mut all = Vec::new();
        for (module, depends) in &app.instructions {
            let depends = depends.join(",");
            all.push(match (old.modules.contains_key(module), new.modules.contains_key(module)) {
                (true, true) if seed.is_multiple_of(2) => format!("{{update,{module},soft,[{depends}]}}"),
                (true, true) => format!("{{load_module,{module},[{depends}]}}"),
                (false, _) => format!("{{{added},{module}}}"),
                (true, false) => format!("{{{removed},{module}}}"),
            });
        }
        all.join(",")
    };
    format!(
        "{{\"{}\",\n [{{\"{}\",[{}]}}],\n [{{\"{}\",[{}]}}]}}.\n",
        new.version,
        old.version,
        list("add_module", "delete_module"),
        old.version,
        list("delete_module", "add_module")
    )
}

/// Writes the two projects of ours: `old` and `new`.
pub fn write_ours(folder: &Path, case: &Case) -> Result<()> {
    for (name, version, from, side) in [
        ("old", "1.0.0", "", (|app| app.old.as_ref()) as fn(&App) -> Option<&Side>),
        ("new", "2.0.0", "from = [\"1.0.0\"]\n", |app| app.new.as_ref()),
    ] {
        let root = folder.join(name);
        let mut release = format!("name = \"zoo\"\nversion = \"{version}\"\n{from}\n[apps]\n");
        for (app, side) in case.apps.iter().filter_map(|(name, app)| Some((name, side(app)?))) {
            let _ = writeln!(release, "{app} = {{ path = \"apps/{app}\" }}");
            write_app(&root.join("apps").join(app), app, side)?;
        }
        write(&root.join("release.toml"), &release)?;
    }
    Ok(())
}

fn write_app(folder: &Path, name: &str, side: &Side) -> Result<()> {
    let machines: Vec<String> = side.modules.keys().map(|module| format!("\"{module}\"")).collect();
    let mut text =
        format!("name = \"{name}\"\nversion = \"{}\"\nmachines = [{}]\n", side.version, machines.join(", "));
    if !side.depends.is_empty() {
        text += "\n[depends]\n";
        for needed in &side.depends {
            let _ = writeln!(text, "{needed} = \">=1.0.0\"");
        }
    }
    write(&folder.join("app.toml"), &text)?;
    for (module, code) in &side.modules {
        let machine = format!(
            "machine {module}\ntype State = Int\ntype Input = Go | Stay\ntype Output = At(Int) | Here\ninit = 0\non Go => (state, At({code}))\non Stay => (state, Here)\n"
        );
        write(&folder.join("machines").join(format!("{module}.cam")), &machine)?;
    }
    Ok(())
}

/// Writes or copies a file, with its folder.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a file has a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
