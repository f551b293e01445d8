//! The commands of a session: words after a colon.

/// The commands: word, what follows it, what it does. The one list: help and completion come
/// from it.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    ("type", "EXPR", "the type of an expression, or of a declared type's name"),
    ("code", "EXPR | fn NAME | on CASE", "the bytecode, with types and what the verifier found"),
    ("state", "", "the state, the timers that run, the clock"),
    ("config", "[EXPR]", "shows or sets the configuration"),
    ("reset", "[KEY]", "begins anew from `init`, with that key"),
    ("undo", "", "takes the last change back: a step, a declaration, a name"),
    ("load", "[PATH]", "loads a machine file; without a path the same one again, and keeps the state"),
    ("help", "", "this list"),
    ("quit", "", "ends the session"),
];

/// A command that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Type,
    Code,
    State,
    Config,
    Reset,
    Undo,
    Load,
    Help,
    Quit,
}

impl Command {
    /// Returns the command of a word; the beginning of one word only will do.
    pub(super) fn of(word: &str) -> Option<Command> {
        let mut like = COMMANDS.iter().filter(|(name, ..)| name.starts_with(word) && !word.is_empty());
        let exact = COMMANDS.iter().find(|(name, ..)| *name == word);
        let (name, ..) = match (exact, like.next(), like.next()) {
            (Some(exact), ..) => exact,
            (None, Some(only), None) => only,
            _ => return None,
        };
        Some(match *name {
            "type" => Command::Type,
            "code" => Command::Code,
            "state" => Command::State,
            "config" => Command::Config,
            "reset" => Command::Reset,
            "undo" => Command::Undo,
            "load" => Command::Load,
            "help" => Command::Help,
            _ => Command::Quit,
        })
    }
}

/// Returns the help of a session.
pub(super) fn help() -> String {
    let entries = [
        ("EXPR", "its value and its type"),
        ("let NAME = EXPR", "gives a value a name"),
        ("type ..., const ..., fn ...", "declares; a name that is there is declared anew"),
        ("on ..., init ..., config ...", "changes the machine that is loaded"),
        ("run INPUT, > INPUT", "one step of the machine"),
        ("advance DURATION", "lets time pass, and timers fire"),
        ("expect CONDITION", "fails when it does not hold"),
    ];
    let mut text = String::new();
    let rows = entries.iter().map(|(left, right)| ((*left).to_owned(), *right));
    let commands = COMMANDS.iter().map(|(word, takes, does)| (format!(":{word} {takes}"), *does));
    for (left, right) in rows.chain(commands) {
        text += &format!("{:<34} {right}\n", left.trim_end());
    }
    text + "An entry goes on in the next line while a bracket is open or the line ends in an operator.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_one_word_will_do() {
        assert_eq!(Command::of("ty"), Some(Command::Type));
        assert_eq!(Command::of("q"), Some(Command::Quit));
        assert_eq!(Command::of("c"), None, "code or config");
        assert_eq!(Command::of(""), None);
        assert_eq!(Command::of("types"), None);
    }

    #[test]
    fn every_command_of_the_table_is_understood() {
        let found: Vec<Option<Command>> = COMMANDS.iter().map(|(word, ..)| Command::of(word)).collect();
        assert!(found.iter().all(Option::is_some));
        for (index, one) in found.iter().enumerate() {
            assert!(!found[..index].contains(one), "{one:?} twice");
        }
    }
}
