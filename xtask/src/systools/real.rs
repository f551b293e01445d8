//! The `.appup` files of OTP itself, planned by both: from an older version of one application to the one that is
//! installed.
//!
//! Those of OTP that are there give up state: by a restart of the application, or of all of the emulator. Here
//! the one is a `restart`, and there is no other.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::plans::{self, Event, Plan, Planned};
use super::worlds::{Base, write};
use super::{by_otp, by_us, entries};

/// What a plan does to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// It gives up the state of the application.
    Restarts,
    /// It starts all of the node anew.
    StartsAnew,
    /// None of these: states go on.
    GoesOn,
}

/// Plans each `.appup` of OTP in both worlds; returns true when all differences are known.
pub fn compare(root: &Path, folder: &Path, base: &Base, erts: &str) -> Result<bool> {
    let mut cases = Vec::new();
    for path in entries::real()? {
        let folder_of =
            path.ancestors().nth(2).and_then(Path::file_name).context("an application has a folder")?;
        let named = folder_of.to_string_lossy().into_owned();
        let (app, version) =
            named.rsplit_once('-').context("the folder of an application has its version")?;
        if let Some(old) = older(root, folder, app, &path)? {
            write_case(
                &folder.join("otp").join(app),
                &folder.join("ours").join(app),
                (app, version, &old),
                &path,
                base,
                erts,
            )?;
            cases.push(app.to_owned());
        }
    }
    let plans = |which: &str, by: fn(&Path, &[&str]) -> Result<String>| {
        plans::read(&by(root, &[&folder.join(which).display().to_string()])?)
    };
    let (otp, ours) = (plans("otp", by_otp)?, plans("ours", by_us)?);
    let unknown: Vec<String> = cases.iter().filter_map(|app| reason(app, &otp, &ours)).collect();
    unknown.iter().for_each(|reason| println!("{reason}"));
    println!(
        "{} .appup files of OTP planned by both ({}): {} unlike",
        cases.len(),
        cases.join(", "),
        unknown.len()
    );
    Ok(unknown.is_empty() && !cases.is_empty())
}

/// Returns why the plans of an application are unlike, if they are.
fn reason(app: &str, otp: &BTreeMap<String, Planned>, ours: &BTreeMap<String, Planned>) -> Option<String> {
    match (otp.get(app), ours.get(app)) {
        (Some(Ok(otp)), Some(Ok(ours))) => {
            let (otp, ours) = (does(app, &otp.up), does(app, &ours.up));
            (!is_known(otp, ours)).then(|| format!("{app}: OTP {otp:?}, ours {ours:?}"))
        }
        (otp, ours) => Some(format!(
            "{app} is not planned: OTP: {}; ours: {}",
            super::why_not(otp),
            super::why_not(ours)
        )),
    }
}

/// Returns what a plan does to an application.
pub fn does(app: &str, plan: &Plan) -> Does {
    let app = app.to_owned();
    let stops = plan.at(&Event::Stop(app.clone())).zip(plan.at(&Event::Start(app.clone())));
    if plan.at(&Event::Emulator).is_some() {
        Does::StartsAnew
    } else if plan.at(&Event::Restart(app)).is_some() || stops.is_some_and(|(stop, start)| stop < start) {
        Does::Restarts
    } else {
        Does::GoesOn
    }
}

/// Both restart, or states go on in both; or OTP starts the node anew, which nothing here needs (E50).
pub fn is_known(otp: Does, ours: Does) -> bool {
    otp == ours || (otp, ours) == (Does::StartsAnew, Does::GoesOn)
}

/// Returns an older version that the `.appup` has an entry for, as OTP finds it.
fn older(root: &Path, folder: &Path, app: &str, appup: &Path) -> Result<Option<String>> {
    let one = folder.join("entries").join(app);
    copy(appup, &one.join(format!("{app}.appup")))?;
    let (one, versions) = (one.display().to_string(), entries::versions());
    let mut words = vec!["--entries", &one];
    words.extend(versions.iter().filter(|version| version.split('.').count() < 4).map(String::as_str));
    let told = by_otp(root, &words)?;
    let chosen = told.lines().filter(|line| !line.starts_with("case ") && !line.ends_with(" none"));
    Ok(chosen.filter_map(|line| line.split(' ').next()).next().map(str::to_owned))
}

fn write_case(
    otp: &Path,
    ours: &Path,
    (app, version, old): (&str, &str, &str),
    appup: &Path,
    base: &Base,
    erts: &str,
) -> Result<()> {
    let file = appup.with_extension("app");
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let ebin = |version: &str| otp.join("lib").join(format!("{app}-{version}")).join("ebin");
    write(&ebin(version).join(format!("{app}.app")), &text)?;
    copy(appup, &ebin(version).join(format!("{app}.appup")))?;
    write(
        &ebin(old).join(format!("{app}.app")),
        &text.replacen(&format!("\"{version}\""), &format!("\"{old}\""), 1),
    )?;
    for (name, release, of_app) in [("old", "1.0.0", old), ("new", "2.0.0", version)] {
        let others = base
            .iter()
            .filter(|(name, _)| name != app)
            .map(|(name, version)| (name.as_str(), version.as_str()));
        let apps: Vec<String> = others
            .chain([(app, of_app)])
            .map(|(name, version)| format!("{{{name},\"{version}\"}}"))
            .collect();
        let rel =
            format!("{{release,{{\"zoo\",\"{release}\"}},{{erts,\"{erts}\"}},[{}]}}.\n", apps.join(","));
        write(&otp.join(format!("{name}.rel")), &rel)?;
        let root = ours.join(name);
        let from = if name == "new" { "from = [\"1.0.0\"]\n" } else { "" };
        let text = format!(
            "name = \"zoo\"\nversion = \"{release}\"\n{from}\n[apps]\n{app} = {{ path = \"apps/{app}\" }}\n"
        );
        write(&root.join("release.toml"), &text)?;
        let text = format!("name = \"{app}\"\nversion = \"{}\"\nmachines = [\"work\"]\n", semantic(of_app));
        write(&root.join("apps").join(app).join("app.toml"), &text)?;
        let machine = format!(
            "machine work\ntype State = Int\ntype Input = Go | Stay\ntype Output = At(Text) | Here\ninit = 0\n\
             on Go => (state, At(\"{of_app}\"))\non Stay => (state, Here)\n"
        );
        write(&root.join("apps").join(app).join("machines/work.cam"), &machine)?;
    }
    copy(appup, &ours.join(format!("{app}.appup")))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    write(to, &std::fs::read_to_string(from).with_context(|| format!("cannot read {}", from.display()))?)
}

/// Erlang leaves zeros out.
fn semantic(version: &str) -> String {
    let missing = 3usize.saturating_sub(version.split('.').count());
    version.to_owned() + &".0".repeat(missing)
}
