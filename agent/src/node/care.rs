//! What shards tell of traps: into the history, and into the health of applications.

use std::collections::BTreeMap;

use camshaft_manifests::AppName;
use camshaft_manifests::app::Intensity;
use camshaft_store::{Control, Stamp};

use super::owed::is_full;
use super::{Node, NodeError};
use crate::api::AppStatus;
use crate::engine::Told;
use crate::engine::supervise::{AppHealth, TrapWindow, Turn};
use crate::release::Release;

/// How the applications of a node are.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// By shard: the windows as they were told last.
    windows: Vec<BTreeMap<AppName, TrapWindow>>,
    apps: BTreeMap<AppName, AppHealth>,
    /// What the history does not tell yet, for want of room.
    untold: Vec<Control>,
}

impl Health {
    /// Goes over a switch, as the windows of the shards do: they go on where the intensity stays. What does not run any
    /// more is not unhealthy.
    pub(super) fn go_over(&mut self, before: Option<&Release>, after: &Release) {
        let same =
            |app: &AppName| before.is_some_and(|before| intensity(before, app) == intensity(after, app));
        self.windows.iter_mut().for_each(|of_shard| of_shard.retain(|app, _| same(app)));
        self.apps.retain(|app, _| after.resolved.apps.iter().any(|of| of.name == *app));
    }

    /// Keeps what the history is to tell until there is room.
    pub(super) fn tell_later(&mut self, control: Control) {
        self.untold.push(control);
    }
}

impl Node {
    /// Asks the shards what there is to tell of traps, and writes it into the history. What is on probation
    /// stays so, passes or does not.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub fn look_after(&mut self, now_ms: i64) -> Result<(), NodeError> {
        self.pay()?;
        self.heed_troubles()?;
        self.look_at_probation(now_ms)?;
        let told = self.crew.each(|shard| (shard.take_told(), shard.now_ms()))?;
        self.tell(told, now_ms)
    }

    /// Writes into the history what the shards tell of traps, each with its time.
    ///
    /// Whoever commands something hears first: what was seen before a command stands before it.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub(super) fn tell(&mut self, told: Vec<(Told, i64)>, now_ms: i64) -> Result<(), NodeError> {
        let mut now_ms = self.now_ms.max(now_ms);
        let mut controls = vec![];
        self.health.windows.resize_with(told.len(), BTreeMap::new);
        for (index, (Told { deeds, windows }, shard_ms)) in told.into_iter().enumerate() {
            now_ms = now_ms.max(shard_ms);
            for (at_ms, deed) in deeds {
                let stamp = Stamp { at_ms, who: super::AGENT.to_owned() };
                let (instance, reason) = (deed.instance, deed.reason);
                controls.push(match deed.resets {
                    true => Control::InstanceReset { stamp, instance, reason },
                    false => Control::InstanceHeld { stamp, instance, seq: u64::MAX, reason },
                });
            }
            self.health.windows[index].extend(windows);
        }
        controls.extend(self.turns(now_ms));
        self.health.untold.extend(controls);
        // The shards have done and recorded it; the history can wait for room.
        if self.health.untold.is_empty() || self.crew.is_full() {
            return Ok(());
        }
        let controls = std::mem::take(&mut self.health.untold);
        match self.append(&controls) {
            Err(error) if is_full(&error) => self.health.untold = controls,
            appended => appended?,
        }
        Ok(())
    }

    /// Returns which applications became unhealthy, or healthy again.
    fn turns(&mut self, now_ms: i64) -> Vec<Control> {
        let Some(release) = &self.release else { return vec![] };
        let mut controls = vec![];
        for app in &release.resolved.apps {
            let seen = seen(&self.health.windows, &app.name, app.supervision.intensity);
            if seen.is_none() && !self.health.apps.contains_key(&app.name) {
                continue;
            }
            let health = self.health.apps.entry(app.name.clone()).or_default();
            let seen = seen.as_ref().map(|(intensity, window)| (*intensity, window));
            let (at_ms, traps) = match health.look(seen, now_ms) {
                None => continue,
                Some(Turn::Unhealthy { traps }) => (now_ms, Some(traps)),
                Some(Turn::Recovered { until_ms, .. }) => (until_ms, None),
            };
            let stamp = Stamp { at_ms, who: super::AGENT.to_owned() };
            controls.push(Control::Health { stamp, app: app.name.to_string(), traps });
        }
        controls
    }

    /// Returns the applications that are unhealthy.
    pub(super) fn unhealthy(&self) -> Vec<AppStatus> {
        let unhealthy = |(app, health): (&AppName, &AppHealth)| {
            let since_ms = health.unhealthy_since_ms()?;
            Some(AppStatus { app: app.to_string(), unhealthy_since_ms: since_ms })
        };
        self.health.apps.iter().filter_map(unhealthy).collect()
    }
}

fn intensity(release: &Release, app: &AppName) -> Option<Intensity> {
    release.resolved.apps.iter().find(|of| of.name == *app)?.supervision.intensity
}

/// Returns the window of an application over all shards, where its release declares an intensity.
fn seen(
    windows: &[BTreeMap<AppName, TrapWindow>],
    app: &AppName,
    intensity: Option<Intensity>,
) -> Option<(Intensity, TrapWindow)> {
    let intensity = intensity?;
    let mut sum = TrapWindow::new(intensity);
    for window in windows.iter().filter_map(|of_shard| of_shard.get(app)) {
        sum.merge(window);
    }
    Some((intensity, sum))
}
