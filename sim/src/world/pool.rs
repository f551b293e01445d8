//! The machines that worlds are made of: hand-written, each in a row of versions with the
//! migrations between them.
//!
//! A text names the machines of its own family as `@name`; the world puts in the addresses that they have
//! in the release. What an input says is written as JSON with `$n` (a small number), `$k` (a key), `$t`
//! (the name of a timer) and `$d` (a time in milliseconds), each filled in by the seed.
//!
//! Every input that looks at `ctx` changes the state, so that it is in the journal with all that it saw.

/// Machines that belong together: one application.
#[derive(Debug)]
pub struct Family {
    /// The application, until it is renamed.
    pub app: &'static str,
    /// What the machines are called, until they are renamed.
    pub machines: &'static [&'static str],
    /// Their versions, the oldest first.
    pub variants: &'static [Variant],
    /// Inputs that undo each other, which a relup may apply.
    pub applies: &'static [Apply],
}

/// A version of a family's machines.
#[derive(Debug)]
pub struct Variant {
    /// The texts, by machine.
    pub texts: &'static [&'static str],
    /// The migrations from the version before; an empty text where all is derived.
    pub migrations: &'static [&'static str],
    /// What clients send.
    pub inputs: &'static [Input],
}

/// An input as clients send it.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    /// The machine that takes it.
    pub machine: usize,
    /// How often, beside the others.
    pub weight: u64,
    /// The JSON with its places to fill in.
    pub json: &'static str,
}

/// An input for a relup, and the one that undoes it.
#[derive(Debug, Clone, Copy)]
pub struct Apply {
    /// The machine that takes it.
    pub machine: usize,
    /// The input.
    pub input: &'static str,
    /// What undoes it.
    pub inverse: &'static str,
}

const fn input(machine: usize, weight: u64, json: &'static str) -> Input {
    Input { machine, weight, json }
}

/// All families.
pub const FAMILIES: &[Family] = &[COUNT, SHOP, PING, NEWS, TIME, HOPS, VAULT, POST];

const COUNT: Family = Family {
    app: "count",
    machines: &["counter"],
    variants: &[
        Variant {
            texts: &["machine counter
type Input = Incr | Read | Add { by: Int } | Grow | Stop
type Output = Ok | Count(Int)
type State = Int
init = 0
on Incr => (state + 1, Ok)
on Read => (state, Count(state))
on Add { by } => (state + by, Ok)
on Grow => (state * 3000000019 + 1, Ok)
on Stop { stop; (state, Ok) }
"],
            migrations: &[""],
            inputs: &[
                input(0, 6, "\"Incr\""),
                input(0, 4, "\"Read\""),
                input(0, 3, "{\"Add\":{\"by\":$n}}"),
                input(0, 1, "\"Grow\""),
                input(0, 1, "\"Stop\""),
            ],
        },
        Variant {
            texts: &["machine counter
type Input = Incr | Read | Add { by: Int } | Grow | Stop | Both
type Output = Ok | Count(Int) | Pair { old: Int, new: Int }
type State = { old: Int, new: Int }
init = { old: 0, new: 0 }
invariant \"not thirteen\" = state.new != 13
on Incr => ({ ..state, new: state.new + 1 }, Ok)
on Read => (state, Count(state.new))
on Add { by } => ({ ..state, new: state.new + by }, Ok)
on Grow => ({ ..state, new: state.new * 3000000019 + 1 }, Ok)
on Stop { stop; (state, Ok) }
on Both => (state, Pair { old: state.old, new: state.new })
"],
            migrations: &["migration counter from \"1.0.0\"
up (old) = if old == 7 { fail \"seven\" } else { { old: old, new: old } }
down (new) = if new.new != new.old && new.new % 3 == 2 { fail \"no way back\" } else { new.new }
unlift Both => fail \"no\"
lower Pair { new, .. } => Count(new)
"],
            inputs: &[
                input(0, 6, "\"Incr\""),
                input(0, 2, "\"Read\""),
                input(0, 3, "{\"Add\":{\"by\":$n}}"),
                input(0, 1, "\"Grow\""),
                input(0, 1, "\"Stop\""),
                input(0, 2, "\"Both\""),
            ],
        },
        Variant {
            texts: &["machine counter
config { most: Int = 1000000 }
type Input = Incr | Read | Add { by: Int } | Grow | Stop | Both | Note(Text)
type Output = Ok | Count(Int) | Pair { old: Int, new: Int }
type State = { old: Int, sum: Int, note: Text = \"none\" }
init = { old: 0, sum: 0 }
on Incr => ({ ..state, sum: (state.sum + 1).min(config.most) }, Ok)
on Read => (state, Count(state.sum))
on Add { by } => ({ ..state, sum: state.sum + by }, Ok)
on Grow => ({ ..state, sum: state.sum * 3000000019 + 1 }, Ok)
on Stop { stop; (state, Ok) }
on Both => (state, Pair { old: state.old, new: state.sum })
on Note(note) { log \"noted {note}\"; ({ ..state, note: note }, Ok) }
"],
            migrations: &["migration counter from \"2.0.0\"
rename State.new to sum
unlift Note(_) => fail \"no notes\"
"],
            inputs: &[
                input(0, 6, "\"Incr\""),
                input(0, 2, "\"Read\""),
                input(0, 3, "{\"Add\":{\"by\":$n}}"),
                input(0, 1, "\"Stop\""),
                input(0, 2, "{\"Note\":\"$k\"}"),
                input(0, 2, "\"Both\""),
            ],
        },
    ],
    applies: &[Apply { machine: 0, input: "{\"Add\":{\"by\":5}}", inverse: "{\"Add\":{\"by\":-5}}" }],
};

const SHOP: Family = Family {
    app: "shop",
    machines: &["till"],
    variants: &[
        Variant {
            texts: &["machine till keyed Text
type State = Int
type Input = Add { count: Int } | Set(Int) | Sum
type Output = Ok | Sum(Int)
init = 0
on Add { count } => (state + count, Ok)
on Set(sum) => (sum, Ok)
on Sum => (state, Sum(state))
"],
            migrations: &[""],
            inputs: &[
                input(0, 5, "{\"Add\":{\"count\":$n}}"),
                input(0, 1, "{\"Add\":{\"count\":150}}"),
                input(0, 2, "{\"Set\":$n}"),
                input(0, 1, "{\"Set\":1200}"),
                input(0, 4, "\"Sum\""),
            ],
        },
        Variant {
            texts: &["machine till keyed Text
type State = { sum: Int, adds: Int = 0 }
type Input = Add { count: Int, note: Text = \"\" } | Set(Int) | Sum
type Output = Ok | Total { sum: Int, adds: Int }
init = { sum: 0 }
on Add { count, note } => ({ sum: state.sum + count, adds: state.adds + 1 }, Ok)
on Set(sum) => ({ ..state, sum }, Total { sum, adds: state.adds })
on Sum => (state, Total { sum: state.sum, adds: state.adds })
"],
            migrations: &["migration till from \"1.0.0\"
up (old) = { sum: old, adds: 0 }
down (new) = new.sum
lift Add { count } => if count > 100 { fail \"too many\" } else { Add { count, note: \"\" } }
lower Total { sum, .. } => if sum >= 1000 { fail \"too large for a sum\" } else { Sum(sum) }
raise Sum(sum) => Total { sum, adds: 0 }
"],
            inputs: &[
                input(0, 5, "{\"Add\":{\"count\":$n,\"note\":\"$k\"}}"),
                input(0, 2, "{\"Set\":$n}"),
                input(0, 1, "{\"Set\":1200}"),
                input(0, 4, "\"Sum\""),
            ],
        },
        Variant {
            texts: &["machine till keyed Text
type State = { sum: Int, last: Text = \"\" }
type Input = Add { count: Int, note: Text = \"\" } | Set(Int) | Sum
type Output = Ok | Total { sum: Int, adds: Int } | Is { sum: Int, last: Text }
init = { sum: 0 }
on Add { count, note } => ({ sum: state.sum + count, last: note }, Ok)
on Set(sum) => ({ ..state, sum }, Is { sum, last: state.last })
on Sum => (state, Is { sum: state.sum, last: state.last })
"],
            migrations: &["migration till from \"2.0.0\"
drop State.adds
lower Is { sum, .. } => Total { sum, adds: 0 }
"],
            inputs: &[
                input(0, 5, "{\"Add\":{\"count\":$n,\"note\":\"$k\"}}"),
                input(0, 2, "{\"Set\":$n}"),
                input(0, 4, "\"Sum\""),
            ],
        },
    ],
    applies: &[Apply { machine: 0, input: "{\"Add\":{\"count\":40}}", inverse: "{\"Add\":{\"count\":-40}}" }],
};

const CLIENT: &str = "machine client
type Message = Ping { number: Int } | Crash
type Answer = Pong { number: Int, seen: Int }
type State = { goal: Int = 0, sent: Int = 0, good: Int = 0, bad: Int = 0, none: Int = 0 }
type Input = Start { count: Int } | Poke | Report | internal Answered { answer: Option(Answer) }
type Output = Ok | Counts { sent: Int, good: Int, bad: Int, none: Int }
channel server = @server(Message) -> Answered
init = { goal: 0 }
on Start { count } {
  send server Ping { number: state.sent }
  ({ ..state, goal: state.goal + count, sent: state.sent + 1 }, Ok)
}
on Poke { send server Crash; (state, Ok) }
on Report => (state, Counts { sent: state.sent, good: state.good, bad: state.bad, none: state.none })
on Answered { answer } {
  let s = match answer {
    Some(Pong { number, seen }) => if number <= seen { { ..state, good: state.good + 1 } } else { { ..state, bad: state.bad + 1 } }
    None => { ..state, none: state.none + 1 }
  }
  if s.sent < s.goal {
    send server Ping { number: s.sent }
    { ..s, sent: s.sent + 1 }
  } else { s }
}
";

const PING_INPUTS: &[Input] = &[
    input(0, 4, "{\"Start\":{\"count\":4}}"),
    input(0, 1, "\"Poke\""),
    input(0, 3, "\"Report\""),
    input(1, 1, "\"Crash\""),
    input(1, 1, "{\"Ping\":{\"number\":$n}}"),
];

const PING: Family = Family {
    app: "ping",
    machines: &["client", "server"],
    variants: &[
        Variant {
            texts: &[
                CLIENT,
                "machine server
type Input = Ping { number: Int } | Crash
type Output = Pong { number: Int, seen: Int }
type State = Int
init = 0
on Ping { number } => (state + 1, Pong { number, seen: state + 1 })
on Crash => fail \"told to\"
",
            ],
            migrations: &["", ""],
            inputs: PING_INPUTS,
        },
        Variant {
            texts: &[
                CLIENT,
                "machine server
type Input = Ping { number: Int, tag: Int = 0 } | Crash
type Output = Pong { number: Int, seen: Int }
type State = { seen: Int, since: Int }
init = { seen: 0, since: 0 }
on Ping { number, tag } => ({ seen: state.seen + 1 + tag, since: state.since + 1 }, Pong { number, seen: state.seen + 1 })
on Crash => fail \"told to\"
",
            ],
            migrations: &[
                "",
                "migration server from \"1.0.0\"
up (old) = { seen: old, since: 0 }
down (new) = if new.since % 4 == 2 { fail \"two since\" } else { new.seen }
unlift Ping { number, .. } => Ping { number }
",
            ],
            inputs: PING_INPUTS,
        },
    ],
    applies: &[],
};

const EAR: &str = "machine ear keyed Text
type Input = Tell { text: Text } | Read | Leave
type Output = Heard(Int) | All(Text)
type State = { all: Text = \"\" }
init = { all: \"\" }
on Tell { text } => if text == \"k2\" { fail \"bad\" } else { ({ all: state.all ++ text }, Heard(1)) }
on Read => (state, All(state.all))
on Leave { stop; (state, Heard(0)) }
";

const FAN: &str = "machine fan
type Message = Tell { text: Text }
type Reply = Heard(Int)
type State = { heard: Int = 0, lost: Int = 0, from: Text = \"\" }
type Input = Say { to: Text, text: Text } | Cast { text: Text } | Read | Quit | internal Back { from: Text, answer: Option(Reply) }
type Output = Ok | State(State)
channel ears = @ear(Message) -> Back
init = { heard: 0 }
on Say { to, text } {
  send ears[to] Tell { text }
  (state, Ok)
}
on Cast { text } {
  for to in [\"k0\", \"k1\", \"k0\"] { send ears[to] Tell { text } }
  (state, Ok)
}
on Read => (state, State(state))
on Quit { stop; (state, Ok) }
on Back { from, answer } => match answer {
  Some(_) => { ..state, heard: state.heard + 1, from: from }
  None => { ..state, lost: state.lost + 1, from: from }
}
";

const FAN_2: &str = "machine fan
type Message = Tell { text: Text } | Shout { text: Text }
type Reply = Heard(Int)
type State = { heard: Int = 0, lost: Int = 0, from: Text = \"\" }
type Input = Say { to: Text, text: Text } | Cast { text: Text } | Read | Quit | internal Back { from: Text, answer: Option(Reply) }
type Output = Ok | State(State)
channel ears = @ear(Message) -> Back
init = { heard: 0 }
on Say { to, text } {
  if text == \"k1\" { send ears[to] Shout { text } } else { send ears[to] Tell { text } }
  (state, Ok)
}
on Cast { text } {
  for to in [\"k0\", \"k1\", \"k0\"] { send ears[to] Shout { text } }
  (state, Ok)
}
on Read => (state, State(state))
on Quit { stop; (state, Ok) }
on Back { from, answer } => match answer {
  Some(_) => { ..state, heard: state.heard + 1, from: from }
  None => { ..state, lost: state.lost + 1, from: from }
}
";

const NEWS_INPUTS: &[Input] = &[
    input(0, 4, "{\"Say\":{\"to\":\"$k\",\"text\":\"$k\"}}"),
    input(0, 1, "{\"Say\":{\"to\":\"\",\"text\":\"$k\"}}"),
    input(0, 3, "{\"Cast\":{\"text\":\"$k\"}}"),
    input(0, 2, "\"Read\""),
    input(0, 1, "\"Quit\""),
    input(1, 2, "\"Read\""),
    input(1, 1, "\"Leave\""),
    input(1, 1, "{\"Tell\":{\"text\":\"$k\"}}"),
];

const NEWS: Family = Family {
    app: "news",
    machines: &["fan", "ear"],
    variants: &[
        Variant { texts: &[FAN, EAR], migrations: &["", ""], inputs: NEWS_INPUTS },
        Variant {
            texts: &[
                FAN_2,
                "machine ear keyed Text
type Input = Tell { text: Text } | Shout { text: Text } | Read | Leave
type Output = Heard(Int) | All(Text)
type State = { all: Text = \"\" }
init = { all: \"\" }
on Tell { text } => if text == \"k2\" { fail \"bad\" } else { ({ all: state.all ++ text }, Heard(1)) }
on Shout { text } => ({ all: state.all ++ \"!\" ++ text }, Heard(1))
on Read => (state, All(state.all))
on Leave { stop; (state, Heard(0)) }
",
            ],
            migrations: &[
                "migration fan from \"1.0.0\"\n",
                "migration ear from \"1.0.0\"\nunlift Shout(_) => fail \"no shouting\"\n",
            ],
            inputs: NEWS_INPUTS,
        },
    ],
    applies: &[],
};

const TIME_INPUTS: &[Input] = &[
    input(0, 5, "{\"Set\":{\"name\":\"$t\",\"after\":$d}}"),
    input(0, 2, "{\"Set\":{\"name\":\"$t\",\"after\":0}}"),
    input(0, 2, "{\"Every\":{\"name\":\"$t\",\"after\":$d,\"left\":3}}"),
    input(0, 2, "{\"Clear\":{\"name\":\"$t\"}}"),
    input(0, 2, "\"Now\""),
    input(0, 2, "\"Read\""),
    input(0, 1, "\"Halt\""),
];

const TIME: Family = Family {
    app: "time",
    machines: &["clock"],
    variants: &[
        Variant {
            texts: &["machine clock keyed Text
config { grace: Duration = 1s }
type Input = Set { name: Text, after: Duration } | Every { name: Text, after: Duration, left: Int } | Clear { name: Text }
           | Now | Read | Halt | internal Rang { name: Text } | internal Tick { name: Text, after: Duration, left: Int }
type Output = Ok | Log(Text) | At(Int)
type State = { log: Text = \"\", at: Int = 0, seed: Int = 0, seen: Int = 0 }
init = { log: \"\" }
on Set { name, after } {
  timer name after after + config.grace => Rang { name }
  (state, Ok)
}
on Every { name, after, left } {
  timer name after after => Tick { name, after, left }
  (state, Ok)
}
on Clear { name } { cancel name; (state, Ok) }
on Now => ({ ..state, at: ctx.now, seed: ctx.seed, seen: ctx.seq }, At(ctx.now))
on Read => (state, Log(state.log))
on Halt { stop; (state, Ok) }
on Rang { name } {
  log \"{name} rang\"
  { ..state, log: state.log ++ name }
}
on Tick { name, after, left } {
  if left > 0 { timer name after after => Tick { name, after, left: left - 1 } }
  if name == \"t2\" { fail \"the second timer\" } else { { ..state, log: state.log ++ \".\", seen: if name == \"t1\" { 6 / left } else { state.seen } } }
}
"],
            migrations: &[""],
            inputs: TIME_INPUTS,
        },
        Variant {
            texts: &["machine clock keyed Text
config { grace: Duration = 1s }
type Input = Set { name: Text, after: Duration } | Every { name: Text, after: Duration, left: Int } | Clear { name: Text }
           | Now | Read | Halt | internal Rang { name: Text, loud: Bool = false } | internal Tick { name: Text, after: Duration, left: Int }
type Output = Ok | Log(Text) | At(Int)
type State = { log: Text = \"\", at: Int = 0, seed: Int = 0, seen: Int = 0, rings: Int = 0 }
init = { log: \"\" }
on Set { name, after } {
  timer name after after + config.grace => Rang { name, loud: name == \"t1\" }
  (state, Ok)
}
on Every { name, after, left } {
  timer name after after => Tick { name, after, left }
  (state, Ok)
}
on Clear { name } { cancel name; (state, Ok) }
on Now => ({ ..state, at: ctx.now, seed: ctx.seed, seen: ctx.seq, rings: state.rings + 1 }, At(ctx.now))
on Read => (state, Log(state.log))
on Halt { stop; (state, Ok) }
on Rang { name, loud } {
  log \"{name} rang\"
  { ..state, log: state.log ++ (if loud { \"!\" } else { \"\" }) ++ name, rings: state.rings + 1 }
}
on Tick { name, after, left } {
  if left > 0 { timer name after after => Tick { name, after, left: left - 1 } }
  { ..state, log: state.log ++ \".\", seen: if name == \"t1\" { 6 / left } else { state.seen } }
}
"],
            migrations: &["migration clock from \"1.0.0\"
down (new) = if new.rings % 3 == 1 { fail \"it rang\" } else { { log: new.log, at: new.at, seed: new.seed, seen: new.seen } }
unlift Rang { name, loud } => if loud { fail \"too loud\" } else { Rang { name } }
"],
            inputs: TIME_INPUTS,
        },
    ],
    applies: &[],
};

const HOPS: Family = Family {
    app: "hops",
    machines: &["relay"],
    variants: &[
        Variant {
            texts: &["machine relay keyed Text
type Hop = Pass { left: Int, number: Int }
type Input = Pass { left: Int, number: Int } | Read
type Output = Ok | Seen { count: Int, last: Int }
type State = { count: Int = 0, last: Int = 0 }
channel next = @relay(Hop)
init = { count: 0 }
on Pass { left, number } {
  if left > 0 {
    send next[\"k0\"] Pass { left: left - 1, number: number * 2 }
    send next[if number % 2 == 0 { \"k1\" } else { \"k2\" }] Pass { left: left - 2, number: number * 2 + 1 }
  }
  ({ count: state.count + 1, last: number }, Ok)
}
on Read => (state, Seen { count: state.count, last: state.last })
"],
            migrations: &[""],
            inputs: HOPS_INPUTS,
        },
        Variant {
            texts: &["machine relay keyed Text
type Hop = Pass { left: Int, number: Int, tag: Text = \"\" }
type Input = Pass { left: Int, number: Int, tag: Text = \"\" } | Read
type Output = Ok | Seen { count: Int, last: Int }
type State = { count: Int = 0, last: Int = 0, tags: List(Text) = [] }
channel next = @relay(Hop)
init = { count: 0 }
on Pass { left, number, tag } {
  if left > 0 {
    send next[\"k0\"] Pass { left: left - 1, number: number * 2, tag: tag ++ ctx.self }
    send next[if number % 2 == 0 { \"k1\" } else { \"k2\" }] Pass { left: left - 2, number: number * 2 + 1 }
  }
  ({ count: state.count + 1, last: number, tags: state.tags.push(tag).take(3) }, Ok)
}
on Read => (state, Seen { count: state.count, last: state.last })
"],
            migrations: &["migration relay from \"1.0.0\"
unlift Pass { left, number, .. } => Pass { left, number }
"],
            inputs: HOPS_INPUTS,
        },
    ],
    applies: &[],
};

const HOPS_INPUTS: &[Input] =
    &[input(0, 3, "{\"Pass\":{\"left\":3,\"number\":$n}}"), input(0, 3, "\"Read\"")];

const VAULT: Family = Family {
    app: "vault",
    machines: &["box"],
    variants: &[
        Variant {
            texts: &["machine box keyed Text
type State = Empty | Full { have: Int(0..=100), limit: Text }
type Input = Put { n: Int } | Split { by: Int } | Risk { n: Int } | Look
type Output = Ok | Has(Int)
init = Empty
on Put { n } => match state {
  Empty => (Full { have: n, limit: n.show() }, Ok)
  Full { have, limit } => (Full { have: have + n, limit }, Ok)
}
on Split { by } => match state {
  Empty => fail \"nothing to split\"
  Full { have, limit } => (Full { have: have / by, limit }, Has(have % by))
}
on Risk { n } => if n < 0 && ctx.seed != 0 { fail \"not now\" } else { (Full { have: 1, limit: ctx.seq.show() }, Ok) }
on Look => (state, Has(match state { Empty => 0, Full { have, .. } => have }))
"],
            migrations: &[""],
            inputs: VAULT_INPUTS,
        },
        Variant {
            texts: &["machine box keyed Text
type State = Empty | Full { have: Int(0..=100), most: Int }
type Input = Put { n: Int } | Split { by: Int } | Risk { n: Int } | Look
type Output = Ok | Has(Int)
invariant \"not forty\" = match state { Full { have: 40, .. } => false, _ => true }
init = Empty
on Put { n } => match state {
  Empty => (Full { have: n, most: n }, Ok)
  Full { have, most } => (Full { have: have + n, most }, Ok)
}
on Split { by } => match state {
  Empty => fail \"nothing to split\"
  Full { have, most } => (Full { have: have / by, most }, Has(have % by))
}
on Risk { n } => if n < 0 && ctx.seed != 0 { fail \"not now\" } else { (Full { have: 1, most: ctx.seq }, Ok) }
on Look => (state, Has(match state { Empty => 0, Full { have, .. } => have }))
"],
            migrations: &["migration box from \"1.0.0\"
up (old) = match old {
  Empty => Empty
  Full { have, limit } => Full { have, most: limit.parse().or(0) }
}
keep (old) = match old { Empty => \"\", Full { limit, .. } => limit }
down (new, kept) = match new {
  Empty => Empty
  Full { have, most } => Full { have, limit: match kept {
    Some(text) => if text.parse().or(0) == most { text } else { most.show() }
    None => most.show()
  } }
}
"],
            inputs: VAULT_INPUTS,
        },
    ],
    applies: &[Apply { machine: 0, input: "{\"Risk\":{\"n\":-1}}", inverse: "\"Look\"" }],
};

const VAULT_INPUTS: &[Input] = &[
    input(0, 5, "{\"Put\":{\"n\":$n}}"),
    input(0, 2, "{\"Put\":{\"n\":40}}"),
    input(0, 2, "{\"Split\":{\"by\":$n}}"),
    input(0, 2, "{\"Risk\":{\"n\":$n}}"),
    input(0, 2, "\"Look\""),
];

const OFFICE: &str = "machine office keyed Text
type Letter = Letter { n: Int }
type State = Int
type Input = Send { to: Text, n: Int } | Round { n: Int } | Read
type Output = Ok | Sent(Int)
channel desks = @desk(Letter)
init = 0
on Send { to, n } {
  send desks[to] Letter { n }
  (state + 1 + 0 / (11 - n), Ok)
}
on Round { n } {
  for to in [\"k0\", \"k1\", \"k0\"] { send desks[to] Letter { n: n } }
  (state + 3, Ok)
}
on Read => (state, Sent(state))
";

const OFFICE_2: &str = "machine office keyed Text
type Letter = Letter { n: Int, tag: Text = \"\" }
type State = Int
type Input = Send { to: Text, n: Int } | Round { n: Int } | Read
type Output = Ok | Sent(Int)
channel desks = @desk(Letter)
init = 0
on Send { to, n } {
  send desks[to] Letter { n, tag: to }
  (state + 1 + 0 / (11 - n), Ok)
}
on Round { n } {
  for to in [\"k0\", \"k1\", \"k0\"] { send desks[to] Letter { n: n, tag: ctx.self } }
  (state + 3, Ok)
}
on Read => (state, Sent(state))
";

/// What is sent to a desk that is shut is refused, and nobody hears of it: it is parked until an operator lets it go on.
const POST: Family = Family {
    app: "post",
    machines: &["office", "desk"],
    variants: &[
        Variant {
            texts: &[
                OFFICE,
                "machine desk keyed Text
type State = { open: Bool = true, got: Text = \"\" }
type Input = Letter { n: Int } | Shut | Open | Read | Leave
type Output = Ok | Got(Text)
init = { open: true }
on Letter { n } => if state.open { ({ ..state, got: state.got ++ n.show() ++ (12 / (n % 4)).show() ++ \" \" }, Ok) } else { fail \"shut\" }
on Shut => ({ ..state, open: false }, Ok)
on Open => ({ ..state, open: true }, Ok)
on Read => (state, Got(state.got))
on Leave { stop; (state, Ok) }
",
            ],
            migrations: &["", ""],
            inputs: POST_INPUTS,
        },
        Variant {
            texts: &[
                OFFICE_2,
                "machine desk keyed Text
type State = { open: Bool = true, got: Text = \"\", tags: Int = 0 }
type Input = Letter { n: Int, tag: Text = \"\" } | Shut | Open | Read | Leave
type Output = Ok | Got(Text)
init = { open: true }
on Letter { n, tag } => if state.open { ({ ..state, got: state.got ++ n.show() ++ tag ++ (12 / (n % 4)).show() ++ \" \", tags: state.tags + 1 }, Ok) } else { fail \"shut\" }
on Shut => ({ ..state, open: false }, Ok)
on Open => ({ ..state, open: true }, Ok)
on Read => (state, Got(state.got))
on Leave { stop; (state, Ok) }
",
            ],
            migrations: &[
                "",
                "migration desk from \"1.0.0\"
down (new) = if new.tags % 3 == 2 { fail \"tagged\" } else { { open: new.open, got: new.got } }
lift Letter { n } => if n == 7 { fail \"no seven\" } else { Letter { n, tag: \"old\" } }
unlift Letter { n, tag } => if tag == \"k1\" { fail \"tagged\" } else { Letter { n } }
",
            ],
            inputs: POST_INPUTS,
        },
    ],
    applies: &[],
};

const POST_INPUTS: &[Input] = &[
    input(0, 4, "{\"Send\":{\"to\":\"$k\",\"n\":$n}}"),
    input(0, 2, "{\"Round\":{\"n\":$n}}"),
    input(0, 1, "\"Read\""),
    input(1, 2, "\"Shut\""),
    input(1, 2, "\"Open\""),
    input(1, 2, "\"Read\""),
    input(1, 1, "\"Leave\""),
];
