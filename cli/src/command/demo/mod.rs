//! `camshaft demo`: the whole story on real agents, explained as it goes.
//!
//! Three agents run as processes of their own on loopback; everything goes through the same
//! commands and the same HTTP that an operator uses. Nothing is pretended: every line of the
//! closing table was compared, and the demo succeeds only if all of them held.

mod agents;
mod examples;
mod traffic;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use camshaft_agent::api::{NodeStatus, Report, TryReport};
use camshaft_cam::words::counted;
use camshaft_releases::project::Locking;
use serde::Serialize;

use self::agents::Agent;
use self::traffic::Traffic;
use super::build;
use super::node::show;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::http::{Answer, Effect};
use crate::project::read_bundle;
use crate::talk::Talk;

/// How many agents take part.
const AGENTS: usize = 3;

/// How many inputs to wait for where the story says that traffic goes on.
const SOME: u64 = 50;

/// How long something may take to come about before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave the folder with projects, bundles, data and logs for a look
    #[arg(long)]
    keep: bool,
}

/// A row of the closing table.
#[derive(Debug, Serialize)]
struct Check {
    what: String,
    found: String,
    held: bool,
}

/// Plays the story.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let started = Instant::now();
    let folder = tempfile::Builder::new().prefix("camshaft-demo-").tempdir().map_err(|error| {
        Failure::fault(
            format!("cannot make a temporary folder: {error}"),
            "is TMPDIR writable, and is there space?",
        )
    })?;
    let (path, _guard) = match args.keep {
        true => (folder.keep(), None),
        false => (folder.path().to_owned(), Some(folder)),
    };
    let mut story = Story { path: path.clone(), checks: Vec::new(), chapter: 0, talk };
    let told = story.tell();
    let checks = story.checks;
    if args.keep {
        talk.note(format!("\nProjects, bundles, data and logs are in {}", path.display()));
    }
    told?;
    finish(&checks, &path, args.keep, started.elapsed(), talk)
}

fn finish(checks: &[Check], path: &Path, keep: bool, took: Duration, talk: &mut Talk) -> Result<(), Failure> {
    let broken = checks.iter().filter(|check| !check.held).count();
    let mut rows = vec![["held", "what", "found"].map(str::to_owned).to_vec()];
    rows.extend(checks.iter().map(|check| {
        let held = if check.held { "yes" } else { "NO" };
        vec![held.to_owned(), check.what.clone(), check.found.clone()]
    }));
    let verdict = if broken == 0 { "All of it held".to_owned() } else { format!("{broken} did not hold") };
    let seconds = took.as_secs_f64();
    let document = serde_json::json!({
        "held": broken == 0, "checks": checks, "seconds": seconds, "folder": keep.then(|| path.display().to_string()),
    });
    if broken == 0 || !talk.json {
        talk.result(&document, format!("\n{}\n{verdict}, in {seconds:.1} s.", show::table(&rows)));
    }
    match broken {
        0 => Ok(()),
        _ => {
            let hint = "camshaft demo --keep leaves the logs; please report this";
            Err(Failure::fault(verdict, hint).details(&document))
        }
    }
}

struct Story<'t> {
    path: PathBuf,
    checks: Vec<Check>,
    chapter: u32,
    talk: &'t mut Talk,
}

impl Story<'_> {
    fn tell(&mut self) -> Result<(), Failure> {
        let bundles = self.build()?;
        let mut agents = self.start()?;
        let traffic = self.install(&agents, &bundles)?;
        self.try_on_live_state(&agents, &bundles)?;
        self.upgrade(&agents[..2], &traffic, &bundles)?;
        self.ship_bad_releases(&agents[2], &traffic[2], &bundles)?;
        self.upgrade_again(&agents, &traffic, &bundles)?;
        self.kill(&mut agents[1], &traffic[1])?;
        self.roll_back(&agents[0], &traffic[0])?;
        self.account(&agents, traffic)
    }

    fn chapter(&mut self, title: &str, text: &str) {
        self.chapter += 1;
        self.talk.note(format!("\n{}. {title}\n   {text}", self.chapter));
    }

    fn say(&self, text: &str) {
        self.talk.note(format!("   > {}", text.trim_end().replace('\n', "\n   > ")));
    }

    fn check(&mut self, what: &str, found: impl Into<String>, held: bool) {
        let found = found.into();
        self.say(&format!("{what}: {found}{}", if held { "" } else { "   DOES NOT HOLD" }));
        self.checks.push(Check { what: what.to_owned(), found, held });
    }

    fn build(&mut self) -> Result<Bundles, Failure> {
        self.chapter(
            "Build and package",
            "A counter in four releases is compiled to bytecode, and packed with its migrations, up and down.",
        );
        let began = Instant::now();
        examples::write(&self.path.join("projects"))?;
        let out = self.path.join("dist");
        let build = |example: &str, out: &Path| {
            let project = self.path.join("projects").join(example);
            build::build(&project, out, Locking::Update).map(|written| written.bundle)
        };
        let v1 = build("counter/v1", &out)?;
        let v2 = build("counter/v2", &out)?;
        let bad_invariant = build("counter/bad-invariant", &out)?;
        let other = self.path.join("dist-other");
        build("counter/wrong-base/base", &other)?;
        let wrong_base = build("counter/wrong-base/v2", &other)?;
        let same = std::fs::read(&v1).ok();
        build("counter/v1", &out)?;
        let again = std::fs::read(&v1).ok();
        self.say(&format!("5 bundles in {} ms", began.elapsed().as_millis()));
        let equal = same.is_some() && same == again;
        self.check("the same source gives the same bytes", if equal { "equal" } else { "different" }, equal);
        Ok(Bundles { v1, v2, bad_invariant, wrong_base })
    }

    fn start(&mut self) -> Result<Vec<Agent>, Failure> {
        self.chapter(
            "Start three agents",
            "Each is a process of its own, with its own folder, on a free port of loopback.",
        );
        let agents: Vec<Agent> =
            (1..=AGENTS).map(|number| Agent::start(&self.path, number)).collect::<Result<_, _>>()?;
        for agent in &agents {
            self.say(&format!("{} listens on {}", agent.name(), agent.node().address()));
        }
        Ok(agents)
    }

    fn install(&mut self, agents: &[Agent], bundles: &Bundles) -> Result<Vec<Traffic>, Failure> {
        self.chapter(
            "Install 1.0.0 and send traffic",
            "A client per node sends one Incr after another, each with an identity, and keeps its own account.",
        );
        for agent in agents {
            let _: Report = post(agent, "install", Some(&bundles.v1))?.read()?;
        }
        let traffic: Vec<Traffic> = agents.iter().map(|agent| Traffic::start(agent.url())).collect();
        for traffic in &traffic {
            traffic.more(SOME, PATIENCE)?;
        }
        let sum: u64 = traffic.iter().map(Traffic::acknowledged).sum();
        self.say(&format!("{} acknowledged so far, and going on", counted(sum, "input")));
        Ok(traffic)
    }

    fn try_on_live_state(&mut self, agents: &[Agent], bundles: &Bundles) -> Result<(), Failure> {
        self.chapter(
            "Try 2.0.0 on the live state",
            "Version 2 keeps the old counter and starts a new one at its value. What would happen? Nothing changes.",
        );
        let before = status(&agents[0])?;
        let report: TryReport = post(&agents[0], "try", Some(&bundles.v2))?.read()?;
        self.say(&show::trial(&report));
        let after = status(&agents[0])?;
        let same = before.running == after.running && before.switch == after.switch;
        self.check(
            "a dry run passes and changes nothing",
            format!("switch {}", after.switch),
            report.passed && same,
        );
        Ok(())
    }

    fn upgrade(&mut self, agents: &[Agent], traffic: &[Traffic], bundles: &Bundles) -> Result<(), Failure> {
        self.chapter(
            "Upgrade two nodes, live",
            "Everything is verified, tried, and then switched with one durable record, while the clients go on.",
        );
        for (agent, traffic) in agents.iter().zip(traffic) {
            self.upgrade_one(agent, traffic, bundles)?;
        }
        Ok(())
    }

    fn upgrade_one(&mut self, agent: &Agent, traffic: &Traffic, bundles: &Bundles) -> Result<(), Failure> {
        let before = count(agent)?;
        traffic.forget_longest();
        let report: Report = post(agent, "upgrade", Some(&bundles.v2))?.read()?;
        traffic.more(SOME, PATIENCE)?;
        let after = count(agent)?;
        let pause = report.pause_us.map_or_else(|| "unknown".to_owned(), show::duration);
        let longest = show::duration(traffic.longest_us());
        let held = report.running.version == "2.0.0" && after > before;
        let found = format!("{before}, then {after}; pause {pause}, longest wait of the client {longest}");
        self.check(&format!("{} runs 2.0.0 and counts on", agent.name()), found, held);
        Ok(())
    }

    fn ship_bad_releases(
        &mut self,
        agent: &Agent,
        traffic: &Traffic,
        bundles: &Bundles,
    ) -> Result<(), Failure> {
        self.chapter(
            "Ship two bad releases",
            "One migrates into a state that its own invariant refuses; one was built against another machine that \
             calls itself 1.0.0 too.",
        );
        let bad = [
            (
                &bundles.bad_invariant,
                "a migration that breaks an invariant is refused",
                "the new counter is not behind the old one",
            ),
            (
                &bundles.wrong_base,
                "an upgrade of another machine is refused",
                "the running machine is not the one this upgrade starts from",
            ),
        ];
        for (bundle, what, reason) in bad {
            self.refused(agent, bundle, what, reason)?;
        }
        traffic.more(SOME, PATIENCE)?;
        let status = status(agent)?;
        let running = status.running.map(|running| running.version).unwrap_or_default();
        self.check(&format!("{} runs 1.0.0 as before", agent.name()), running.clone(), running == "1.0.0");
        Ok(())
    }

    /// Expects an upgrade to be refused for a reason, and nothing to change.
    fn refused(&mut self, agent: &Agent, bundle: &Path, what: &str, reason: &str) -> Result<(), Failure> {
        let before = status(agent)?;
        let (found, refused) = match post(agent, "upgrade", Some(bundle))?.read::<Report>() {
            Ok(report) => (format!("{} was accepted", report.running.version), false),
            Err(failure) => {
                self.say(&failure.message);
                let right = failure.exit == Exit::Refused && failure.message.contains(reason);
                (if right { format!("\"{reason}\"") } else { failure.message }, right)
            }
        };
        let after = status(agent)?;
        let same = before.running == after.running && before.switch == after.switch;
        self.check(what, found, refused && same);
        Ok(())
    }

    fn upgrade_again(
        &mut self,
        agents: &[Agent],
        traffic: &[Traffic],
        bundles: &Bundles,
    ) -> Result<(), Failure> {
        self.chapter(
            "Upgrade the third node, and the first once more",
            "The same bundle is right for a node on 1.0.0 and refused by a node that runs 2.0.0 already.",
        );
        self.upgrade_one(&agents[2], &traffic[2], bundles)?;
        let reason = "the running machine is not the one this upgrade starts from";
        self.refused(&agents[0], &bundles.v2, "an upgrade is refused where it was done already", reason)
    }

    fn kill(&mut self, agent: &mut Agent, traffic: &Traffic) -> Result<(), Failure> {
        self.chapter(
            "Kill a node in the middle",
            "kill -9, while inputs are on their way. The client repeats what was not acknowledged.",
        );
        let before = traffic.acknowledged();
        agent.kill_and_restart()?;
        traffic.aim(agent.url());
        let after = traffic.more(SOME, PATIENCE)?;
        let running = status(agent)?.running.map(|running| running.version).unwrap_or_default();
        let found = format!("runs {running}; {before} acknowledged before, {after} now");
        self.check(
            &format!("{} comes back with its release and state", agent.name()),
            found,
            running == "2.0.0",
        );
        Ok(())
    }

    fn roll_back(&mut self, agent: &Agent, traffic: &Traffic) -> Result<(), Failure> {
        self.chapter(
            "Roll back",
            "The way down was built and tried together with the way up. What was counted under 2.0.0 is kept.",
        );
        let before = count(agent)?;
        let report: Report = post(agent, "rollback", None)?.read()?;
        traffic.more(SOME, PATIENCE)?;
        let after = count(agent)?;
        let held = report.running.version == "1.0.0" && after > before;
        self.check(
            &format!("{} runs 1.0.0 again and counts on", agent.name()),
            format!("{before}, then {after}"),
            held,
        );
        Ok(())
    }

    fn account(&mut self, agents: &[Agent], traffic: Vec<Traffic>) -> Result<(), Failure> {
        self.chapter(
            "Close the accounts",
            "Every node's counter must equal what its client was told was done. Not one more or less.",
        );
        for (agent, traffic) in agents.iter().zip(traffic) {
            let repeated = traffic.repeated();
            let acknowledged = traffic.end()?;
            let counted = count(agent)?;
            let found = format!("{acknowledged} acknowledged, {counted} counted, {repeated} sent again");
            self.check(
                &format!("{}: nothing lost, nothing doubled", agent.name()),
                found,
                acknowledged == counted,
            );
        }
        Ok(())
    }
}

struct Bundles {
    v1: PathBuf,
    v2: PathBuf,
    bad_invariant: PathBuf,
    wrong_base: PathBuf,
}

fn post(agent: &Agent, verb: &str, bundle: Option<&Path>) -> Result<Answer, Failure> {
    let body = match bundle {
        Some(bundle) => read_bundle(bundle)?,
        None => Vec::new(),
    };
    agent.node().post(&["v1", "node", verb], &[], &[], body, Some(PATIENCE), Effect::Changes)
}

fn status(agent: &Agent) -> Result<NodeStatus, Failure> {
    super::node::ask_status(agent.node())
}

fn count(agent: &Agent) -> Result<u64, Failure> {
    let body = b"\"Read\"".to_vec();
    let answer = agent.node().post(
        &["v1", "apps", "counter", "counter"],
        &[],
        &[],
        body,
        Some(PATIENCE),
        Effect::Looks,
    )?;
    let value: serde_json::Value = answer.read()?;
    value["Count"].as_u64().ok_or_else(|| {
        Failure::fault(
            format!("the counter answered {value}"),
            "camshaft demo --keep leaves the logs; please report this",
        )
    })
}
