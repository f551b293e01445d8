//! What the node of the matrix runs: counters, one of which an upgrade fails on, a heap, timers, and two that talk.

use crate::common::{COUNTER_1, COUNTER_2, COUNTER_UP, World, make};

/// How often the two talk. They are in two shards, so that each group of records has one exchange of theirs.
pub const HITS: i64 = 60;

/// What is put on it takes space.
const HEAP: &str = "machine heap
type Input = Put(Text) | Read
type Output = Ok | Count(Int)
type State = Int
init = 0
on Put(_) => (state + 1, Ok)
on Read => (state, Count(state))
";

/// An input changes the state and starts a timer: both or neither.
const CLOCK: &str = "machine clock
type Input = Start { name: Text } | Read | Fired | internal Due
type Output = Ok | Count(Int)
type State = { started: Int, fired: Int }
init = { started: 0, fired: 0 }
on Start { name } { timer name after 5ms => Due; ({ ..state, started: state.started + 1 }, Ok) }
on Read => (state, Count(state.started))
on Fired => (state, Count(state.fired))
on Due => { ..state, fired: state.fired + 1 }
";

const PLAYER: &str = "machine player
type Message = Hit { number: Int }
type Answer = Back { number: Int }
type State = { served: Int = 0, hits: Int = 0, wrong: Int = 0 }
type Input = Serve | Read | Hits | Wrong | internal Came { answer: Option(Answer) }
type Output = Ok | Count(Int)
channel wall = side/wall(Message) -> Came
init = { hits: 0 }
on Serve { send wall Hit { number: state.hits }; ({ ..state, served: state.served + 1 }, Ok) }
on Read => (state, Count(state.served))
on Hits => (state, Count(state.hits))
on Wrong => (state, Count(state.wrong))
on Came { answer } {
  let s = match answer {
    Some(Back { number }) => if number == state.hits { { ..state, hits: state.hits + 1 } } else { { ..state, wrong: state.wrong + 1 } }
    None => { ..state, wrong: state.wrong + 1 }
  }
  if s.hits < MOST { send wall Hit { number: s.hits }; s } else { s }
}
";

const WALL_1: &str = "machine wall
type Input = Hit { number: Int }
type Output = Back { number: Int }
type State = Int
init = 0
on Hit { number } => (state + 1, Back { number })
";

const WALL_2: &str = "machine wall
type Input = Hit { number: Int, spin: Int = 0 }
type Output = Back { number: Int }
type State = { hits: Int }
init = { hits: 0 }
on Hit { number, spin } => ({ hits: state.hits + 1 + spin }, Back { number })
";

const WALL_UP: &str = "migration wall from \"1.0.0\"
up (old) = { hits: old }
down (new) = new.hits
unlift Hit { number, .. } => Hit { number }
";

/// There is no way down for a state that one input led to since: what took one is rewound.
const AGAIN_UP: &str = "migration counter from \"1.0.0\"
up (old) = { old: old, new: old }
down (new) = if new.new == new.old + 1 { fail \"one\" } else { new.new }
unlift Both => fail \"no\"
";

/// Returns the releases 1.0.0 and 2.0.0.
pub fn world() -> World {
    let player = PLAYER.replace("MOST", &HITS.to_string());
    let both = [("game/player", player.as_str()), ("pile/heap", HEAP), ("time/clock", CLOCK)];
    let counters = ["again/counter", "counter/counter", "frail/counter"];
    let one = [&counters.map(|address| (address, COUNTER_1))[..], &[("side/wall", WALL_1)]].concat();
    let two = [&counters.map(|address| (address, COUNTER_2))[..], &[("side/wall", WALL_2)]].concat();
    let one = make("1.0.0", &[&one[..], &both].concat(), None, &[]);
    let migrations = [
        ("again/counter", AGAIN_UP),
        ("counter/counter", COUNTER_UP),
        ("frail/counter", COUNTER_UP),
        ("side/wall", WALL_UP),
    ];
    let two = make("2.0.0", &[&two[..], &both].concat(), Some(&one), &migrations);
    World::of([one, two])
}
