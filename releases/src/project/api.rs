//! What clients speak that do not say: `[api] default`.
//!
//! A person moves it, by writing it. A release that says nothing takes it over from its newest
//! predecessor, so that going over to a release never changes what such clients are taken for.

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_manifests::release::ReleaseManifest;
use camshaft_manifests::resolved::Predecessor;
use camshaft_manifests::{Step, Version};

use super::at_value;
use crate::open::OpenedRelease;

/// Returns the version that clients speak when they do not say.
pub(super) fn default(
    source: &Source,
    manifest: &ReleaseManifest,
    found: &[OpenedRelease],
    older: &[Predecessor],
) -> Result<Version, Vec<Diagnostic>> {
    let spoken = |version: &Version| {
        *version == manifest.version
            || manifest.from.contains(version)
            || older.iter().any(|reached| reached.version == *version)
    };
    if let Some(default) = &manifest.api_default {
        if spoken(default) {
            return Ok(default.clone());
        }
        let message = format!("the API default {default} is neither this release nor one that it comes from");
        let place = [Step::Key("api"), Step::Key("default")];
        let fault = at_value(source, "R0130", &place, message, "not spoken by this release");
        return Err(vec![fault.help(mend(default, &manifest.version))]);
    }
    let newest = found.iter().map(|release| &release.resolved).max_by_key(|resolved| &resolved.version);
    let Some(newest) = newest else { return Ok(manifest.version.clone()) };
    let default = newest.spoken_by_default();
    if spoken(default) {
        return Ok(default.clone());
    }
    let message = format!(
        "clients that do not say what they speak speak {default}, as {} has it, and this release has no edges from {default}",
        newest.version
    );
    let fault = at_value(
        source,
        "R0130",
        &[Step::Key("from")],
        message,
        format!("{default} is not among them").as_str(),
    );
    Err(vec![fault.help(mend(default, &newest.version))])
}

fn mend(default: &Version, other: &Version) -> String {
    format!(
        "add \"{default}\" to `from`; or, once no such client is left that speaks {default}, write `default = \"{other}\"` under `[api]`"
    )
}
