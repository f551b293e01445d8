//! Words for people that more than one part of the system says.

/// Returns a number of things in words: `1 file`, `2 files`. `what` is the word for one of them, whose plural ends in `s`.
pub fn counted(count: impl Into<u64>, what: &str) -> String {
    let count = count.into();
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Returns the word that goes with a number: `are(1)` is `is`.
pub fn are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// The same of what was: `were(1)` is `was`.
pub fn were(count: u64) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

/// Returns the word for how many come out otherwise: `comes(1)` is `comes`.
pub fn comes(count: u64) -> &'static str {
    if count == 1 { "comes" } else { "come" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_from_many() {
        assert_eq!([0_u64, 1, 2].map(|count| counted(count, "file")), ["0 files", "1 file", "2 files"]);
        assert_eq!([0, 1, 2].map(are), ["are", "is", "are"]);
        assert_eq!([0, 1, 2].map(were), ["were", "was", "were"]);
        assert_eq!([0, 1, 2].map(comes), ["come", "comes", "come"]);
    }
}
