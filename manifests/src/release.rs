//! `release.toml` of a project: what the author writes.

use std::collections::BTreeMap;

use camshaft_cam::derive::Strictness;
use camshaft_cam::diagnostic::{Diagnostic, Source};

use crate::name::{AppName, MachineName, ReleaseName};
use crate::path::RelativePath;
use crate::reader::{Reader, Table};
use crate::setting::{Settings, read_settings, to_toml};
use crate::version::{Requirement, Version};
use crate::writer::{Writer, quoted};

/// A release as its author writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseManifest {
    /// The name.
    pub name: ReleaseName,
    /// The version.
    pub version: Version,
    /// The releases that nodes may come from, and go back to. In the author's order.
    pub from: Vec<Version>,
    /// The oldest release that is reached through those of `from`; all are where it is not said. A
    /// person moves it to leave old releases, and their clients, behind.
    pub oldest: Option<Version>,
    /// The applications, at least one.
    pub apps: BTreeMap<AppName, AppOrigin>,
    /// Configuration by application and machine; typed later, by the machine.
    pub config: BTreeMap<AppName, BTreeMap<MachineName, Settings>>,
    /// The version that a client speaks when it does not say.
    pub api_default: Option<Version>,
    /// How much of compatibility with the releases in `from` is asked for.
    pub strictness: Strictness,
}

/// Where an application comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppOrigin {
    /// A folder of the project.
    Path(RelativePath),
    /// A version from a registry.
    Registry(Requirement),
}

/// Reads a project's `release.toml`.
///
/// # Errors
///
/// All faults of the text.
pub fn read(source: &Source) -> Result<ReleaseManifest, Vec<Diagnostic>> {
    Reader::read(source, |reader, table| {
        let name = table.required("name").and_then(|field| field.word());
        let version_field = table.required("version");
        let version: Option<Version> = version_field.as_ref().and_then(|field| field.word());
        let from_field = table.optional("from");
        let from = match &from_field {
            Some(field) => field.words::<Version>(),
            None => Some(Vec::new()),
        };
        let strictness = match table.optional("strictness") {
            Some(field) => field.strictness(),
            None => Some(Strictness::default()),
        };
        let oldest_field = table.optional("oldest");
        let oldest: Option<Option<Version>> = match &oldest_field {
            Some(field) => field.word().map(Some),
            None => Some(None),
        };
        if let (Some(Some(oldest)), Some(from), Some(field)) = (&oldest, &from, &oldest_field)
            && let Some(older) = from.iter().find(|version| *version < oldest)
        {
            field.refuse("M0131", format!("`from` names {older}, which is older than the oldest, {oldest}"));
        }
        let apps_field = table.required("apps");
        let apps = apps_field.as_ref().and_then(|field| field.table()).and_then(|table| read_apps(&table));
        let config_field = table.optional("config");
        let config = match &config_field {
            Some(field) => field.table().and_then(|table| read_config(&table, apps.as_ref())),
            None => Some(BTreeMap::new()),
        };
        let api_field = table.optional("api");
        let api_default = match &api_field {
            Some(field) => field.table_with(|table| match table.optional("default") {
                Some(field) => {
                    let default: Version = field.word()?;
                    if version.as_ref().is_some_and(|version| default > *version) {
                        field.refuse("M0117", format!("the API default {default} is newer than the release"));
                    }
                    Some(Some(default))
                }
                None => Some(None),
            }),
            None => Some(None),
        };
        if let (Some(version), Some(from), Some(field)) = (&version, &from, &from_field)
            && from.contains(version)
        {
            let message = format!("release {version} does not come from itself");
            let fault = reader.diagnostic("M0114", field.span.clone(), message, "");
            reader.fault(fault.help("raise `version`, or take it out of `from`"));
        }
        Some(ReleaseManifest {
            name: name?,
            version: version?,
            from: from?,
            oldest: oldest?,
            apps: apps?,
            config: config?,
            api_default: api_default?,
            strictness: strictness?,
        })
    })
}

fn read_apps(table: &Table<'_, '_>) -> Option<BTreeMap<AppName, AppOrigin>> {
    if table.raw().next().is_none() {
        table.reader.refuse("M0115", table.span.clone(), "a release has at least one application");
        return None;
    }
    let read: Vec<Option<(AppName, AppOrigin)>> = table
        .entries::<AppName>()
        .into_iter()
        .map(|(name, _, field)| {
            let origin = field.table_with(|table| {
                let path = table.optional("path");
                let version = table.optional("version");
                match (path, version) {
                    (Some(path), None) => path.word().map(AppOrigin::Path),
                    (None, Some(version)) => version.word().map(AppOrigin::Registry),
                    _ => {
                        field.refuse(
                            "M0116",
                            format!("application {name} is given by `path` or by `version`, one of them"),
                        );
                        None
                    }
                }
            })?;
            Some((name, origin))
        })
        .collect();
    read.into_iter().collect()
}

type Config = BTreeMap<AppName, BTreeMap<MachineName, Settings>>;

pub(crate) fn read_config(
    table: &Table<'_, '_>,
    apps: Option<&BTreeMap<AppName, AppOrigin>>,
) -> Option<Config> {
    let mut config = Config::new();
    let mut whole = true;
    for (app, span, field) in table.entries::<AppName>() {
        if apps.is_some_and(|apps| !apps.contains_key(&app)) {
            table.reader.refuse("M0118", span, format!("the release has no application {app} to configure"));
        }
        let Some(machines) = field.table() else {
            whole = false;
            continue;
        };
        for (machine, _, field) in machines.entries::<MachineName>() {
            match field.table().and_then(|table| read_settings(&table)) {
                Some(settings) => {
                    config.entry(app.clone()).or_default().insert(machine, settings);
                }
                None => whole = false,
            }
        }
    }
    whole.then_some(config)
}

/// Writes a project's `release.toml`.
pub fn write(release: &ReleaseManifest) -> String {
    let mut writer = Writer::default();
    writer.text("name", &release.name);
    writer.text("version", &release.version);
    if !release.from.is_empty() {
        writer.texts("from", &release.from);
    }
    writer.text_if("oldest", release.oldest.as_ref());
    if release.strictness != Strictness::default() {
        writer.text("strictness", release.strictness);
    }
    writer.table("apps");
    for (name, origin) in &release.apps {
        writer.raw(
            name.as_str(),
            match origin {
                AppOrigin::Path(path) => format!("{{ path = {} }}", quoted(path.as_str())),
                AppOrigin::Registry(range) => format!("{{ version = {} }}", quoted(&range.to_string())),
            },
        );
    }
    write_config(&mut writer, "config", &release.config);
    if let Some(default) = &release.api_default {
        writer.table("api");
        writer.text("default", default);
    }
    writer.end()
}

/// Writes configuration under a name.
pub(crate) fn write_config(writer: &mut Writer, under: &str, config: &Config) {
    for (app, machines) in config {
        for (machine, settings) in machines {
            writer.table(format_args!("{under}.{app}.{machine}"));
            for (name, setting) in settings {
                writer.raw(name, to_toml(setting));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Document;
    use crate::schema::testing::check;

    const GOOD: &str = r#"name = "shop"
version = "2.0.0"
from = ["1.0.0", "1.1.0"]
oldest = "1.0.0"
strictness = "history"

[apps]
payments = { version = "=1.4.0" }
stock = { path = "apps/stock" }

[config.stock.counter]
hold = 900000
names = ["a", "b\n"]
nested = { "odd key" = true, x = 9223372036854775807 }

[api]
default = "1.0.0"
"#;

    fn refused(text: &str, expect: &str) {
        check(Document::Release, text, read, expect);
    }

    #[test]
    fn a_release_reads_back_what_it_writes() {
        let release = read(&Source::new("release.toml", GOOD)).expect("good");
        assert_eq!(write(&release), GOOD);
        let app: AppName = "stock".parse().expect("a name");
        let machine: MachineName = "counter".parse().expect("a name");
        assert_eq!(
            crate::setting::to_json(&release.config[&app][&machine]),
            r#"{"hold":900000,"names":["a","b\n"],"nested":{"odd key":true,"x":"9223372036854775807"}}"#
        );
    }

    #[test]
    fn each_fault_is_named_and_placed() {
        refused(
            "name = ",
            "M0101 `` this is not TOML: string values must be quoted, expected literal string",
        );
        refused(
            "name = 'a'\nversion = '1.0.0'\napps = { a = { path = 'a' } }\nverzion = 1",
            "M0102 `verzion` the document has no key `verzion`\nhelp: did you mean `version`?",
        );
        refused(
            "",
            "M0103 `` the document needs the key `name`\n\
             M0103 `` the document needs the key `version`\n\
             M0103 `` the document needs the key `apps`",
        );
        let with = |line: &str| format!("name = 'a'\nversion = '1.0.0'\n{line}");
        let apps = |line: &str| with(&format!("{line}\n[apps]\na = {{ path = 'a' }}"));
        refused(&with("apps = 3"), "M0104 `3` `apps` is a table, found an integer");
        refused(&with("apps = {}"), "M0115 `{}` a release has at least one application");
        refused(
            &with("apps = { a = {} }"),
            "M0116 `{}` application a is given by `path` or by `version`, one of them",
        );
        refused(
            &with("apps = { B = { path = 'a' } }"),
            "M0105 `B` `B` is no name: a name is a lower-case letter, then lower-case letters, digits and `_`",
        );
        refused(
            &with("apps = { a = { path = '../a' } }"),
            "M0108 `'../a'` `../a` climbs out with `..`; paths here stay inside",
        );
        refused(
            &with("apps = { a = { path = '/a' } }"),
            "M0108 `'/a'` `/a` is absolute; paths here are relative",
        );
        refused(
            &with("apps = { a = { version = 'many' } }"),
            "M0107 `'many'` `many` is no range of versions such as ^1.0: unexpected character 'm' while parsing major \
             version number",
        );
        refused(
            &with("apps = { a = { pth = 'a', path = 'a' } }"),
            "M0102 `pth` `[apps.a]` has no key `pth`\nhelp: did you mean `path`?",
        );
        refused(
            &apps("from = ['1.0']"),
            "M0106 `'1.0'` `1.0` is no semantic version such as 1.2.0: unexpected end of input while parsing \
             minor version number",
        );
        refused(
            &apps("from = ['1.0.0']"),
            "M0114 `['1.0.0']` release 1.0.0 does not come from itself\n\
             help: raise `version`, or take it out of `from`",
        );
        refused(
            &apps("strictness = 'strict'"),
            "M0111 `'strict'` `strictness` is one of `wire`, `state`, `history`, `frozen`, found `strict`",
        );
        refused(
            &apps("from = ['0.1.0', '0.9.0']\noldest = '0.5.0'"),
            "M0131 `'0.5.0'` `from` names 0.1.0, which is older than the oldest, 0.5.0",
        );
        refused(&apps("from = ['0.1.0', '0.1.0']"), "M0112 `'0.1.0'` `0.1.0` stands twice in `from`");
        refused(
            &apps("api = { default = '1.0.1' }"),
            "M0117 `'1.0.1'` the API default 1.0.1 is newer than the release",
        );
        refused(&apps("config.b.m = { x = 1 }"), "M0118 `b` the release has no application b to configure");
        refused(
            &apps("config.a.m = { x = 1.5, y = 1979-05-27 }"),
            "M0104 `1.5` `config.a.m.x` is a whole number, text, truth value, list or table, found a float\n\
             M0104 `1979-05-27` `config.a.m.y` is a whole number, text, truth value, list or table, found a \
             datetime",
        );
        refused(
            &apps("config.a.m.x = 9223372036854775808"),
            "M0113 `9223372036854775808` `config.a.m.x` does not fit 64 bits",
        );
        refused("name = 'a'\nname = 'b'", "M0101 `name` this is not TOML: duplicate key");
        refused(&" ".repeat((16 << 20) + 1), "M0122 `` a document has at most 16777216 bytes");
    }
}
