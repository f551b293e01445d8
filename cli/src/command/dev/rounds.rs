//! When to look and when to build: events in, actions out. Time is an argument.
//!
//! An editor saves in several steps, and a checkout touches many files: after an event it waits
//! until nothing more comes for [`QUIET_MS`], but no longer than [`PATIENCE_MS`]. What happens while
//! a round runs leads to another look when it has ended, so that no save is lost.

/// How long nothing may come before it looks.
pub const QUIET_MS: u64 = 60;

/// How long it waits at most while events keep coming.
pub const PATIENCE_MS: u64 = 1_000;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Something was touched, or it is time to look without being told.
    Touched,
    /// The time that was waited for has come.
    Due,
    /// The project was looked at; `true`: it is another than in the last round.
    Looked(bool),
    /// The round ended.
    Finished,
    /// It is to end.
    Stop,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Wait for the next event.
    Wait,
    /// Wait for the next event until this time, then say [`Event::Due`].
    WaitUntil(u64),
    /// Look at the project, and say [`Event::Looked`].
    Look,
    /// Run a round, and say [`Event::Finished`] when it has ended.
    Round,
    /// End.
    End,
}

/// The state of watching. It begins with a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounds {
    /// Nothing happened since the last look.
    Idle,
    /// Something happened; it may not be over.
    Settling {
        /// When it began.
        since: u64,
        /// When to look.
        until: u64,
    },
    /// The project is being looked at.
    Looking,
    /// A round runs.
    Running {
        /// Something happened since it began.
        touched: bool,
        /// It is to end after the round.
        stopping: bool,
    },
    /// It has ended.
    Ended,
}

impl Rounds {
    /// Returns the state to begin with, and what to do.
    pub fn begin() -> (Rounds, Action) {
        (Rounds::Looking, Action::Look)
    }

    /// Takes an event that happened at `now`, in milliseconds.
    pub fn on(&mut self, event: Event, now: u64) -> Action {
        let (next, action) = self.after(event, now);
        *self = next;
        action
    }

    fn after(self, event: Event, now: u64) -> (Rounds, Action) {
        match (self, event) {
            (Rounds::Running { stopping: false, touched }, Event::Stop) => {
                (Rounds::Running { stopping: true, touched }, Action::Wait)
            }
            // Told twice, it does not wait for the round.
            (_, Event::Stop) | (Rounds::Ended, _) => (Rounds::Ended, Action::End),
            (Rounds::Idle, Event::Touched) => settling(now, now),
            (Rounds::Settling { since, .. }, Event::Touched) => settling(since, now),
            (Rounds::Settling { until, .. }, Event::Due) if now >= until => (Rounds::Looking, Action::Look),
            (Rounds::Settling { until, .. }, _) => (self, Action::WaitUntil(until)),
            (Rounds::Looking, Event::Looked(true)) => {
                (Rounds::Running { touched: false, stopping: false }, Action::Round)
            }
            (Rounds::Looking, Event::Looked(false)) => (Rounds::Idle, Action::Wait),
            (Rounds::Running { stopping, .. }, Event::Touched) => {
                (Rounds::Running { touched: true, stopping }, Action::Wait)
            }
            (Rounds::Running { stopping: true, .. }, Event::Finished) => (Rounds::Ended, Action::End),
            (Rounds::Running { touched: true, .. }, Event::Finished) => settling(now, now),
            (Rounds::Running { touched: false, .. }, Event::Finished) => (Rounds::Idle, Action::Wait),
            (Rounds::Idle | Rounds::Looking | Rounds::Running { .. }, _) => (self, Action::Wait),
        }
    }
}

fn settling(since: u64, now: u64) -> (Rounds, Action) {
    let until = (now + QUIET_MS).min(since + PATIENCE_MS);
    (Rounds::Settling { since, until }, Action::WaitUntil(until))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays events at times and returns the actions.
    fn play(events: &[(u64, Event)]) -> Vec<Action> {
        let (mut rounds, first) = Rounds::begin();
        let actions = events.iter().map(|(now, event)| rounds.on(*event, *now));
        [first].into_iter().chain(actions).collect()
    }

    #[test]
    fn it_begins_with_a_look_and_a_round() {
        let actions = play(&[(0, Event::Looked(true)), (9, Event::Finished)]);
        assert_eq!(actions, [Action::Look, Action::Round, Action::Wait]);
    }

    #[test]
    fn a_save_in_several_steps_is_one_look() {
        let actions = play(&[
            (0, Event::Looked(true)),
            (1, Event::Finished),
            (100, Event::Touched),
            (130, Event::Touched),
            (160, Event::Due),
            (190, Event::Due),
            (191, Event::Looked(true)),
        ]);
        assert_eq!(
            actions[3..],
            [
                Action::WaitUntil(160),
                Action::WaitUntil(190),
                Action::WaitUntil(190),
                Action::Look,
                Action::Round
            ]
        );
    }

    #[test]
    fn events_without_end_do_not_put_it_off_for_ever() {
        let (mut rounds, _) = Rounds::begin();
        rounds.on(Event::Looked(false), 0);
        let mut now = 1_000;
        while rounds.on(Event::Touched, now) != Action::WaitUntil(1_000 + PATIENCE_MS) {
            now += QUIET_MS / 2;
            assert!(now < 1_000 + PATIENCE_MS, "it was put off");
        }
        assert_eq!(rounds.on(Event::Due, 1_000 + PATIENCE_MS), Action::Look);
    }

    #[test]
    fn what_changed_while_a_round_runs_is_looked_at_after_it() {
        let actions =
            play(&[(0, Event::Looked(true)), (5, Event::Touched), (9, Event::Finished), (69, Event::Due)]);
        assert_eq!(actions[2..], [Action::Wait, Action::WaitUntil(69), Action::Look]);
    }

    #[test]
    fn a_touch_that_changes_nothing_builds_nothing() {
        let actions = play(&[
            (0, Event::Looked(true)),
            (1, Event::Finished),
            (5, Event::Touched),
            (65, Event::Due),
            (66, Event::Looked(false)),
        ]);
        assert_eq!(actions.last(), Some(&Action::Wait));
    }

    #[test]
    fn it_ends_at_once_when_idle_and_after_the_round_when_not() {
        assert_eq!(play(&[(0, Event::Looked(false)), (1, Event::Stop)])[2], Action::End);
        let running = [(0, Event::Looked(true)), (1, Event::Stop)];
        let (wait, then) =
            (&play(&running)[2], |event| *play(&[&running[..], &[(2, event)]].concat()).last().unwrap());
        assert_eq!(*wait, Action::Wait);
        assert_eq!(then(Event::Finished), Action::End);
        assert_eq!(then(Event::Stop), Action::End, "told twice");
        assert_eq!(then(Event::Touched), Action::Wait, "a touch does not take it back");
    }
}
