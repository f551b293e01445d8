//! Lengths of time as documents write them: `500ms`, `10s`, `15m`, `2h`, `7d`.

use std::fmt;
use std::str::FromStr;

/// A length of time in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

/// Why a text is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no length of time such as 500ms, 10s, 15m, 2h or 7d")]
pub struct DurationError(pub String);

/// From the longest unit to the shortest; the writer takes the first that divides.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl FromStr for Millis {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Millis, DurationError> {
        let error = || DurationError(text.chars().take(80).collect());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        let number: u64 = number.parse().map_err(|_| error())?;
        number.checked_mul(*factor).map(Millis).ok_or_else(error)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = match self.0 {
            0 => ("s", 1000),
            ms => UNITS.into_iter().find(|(_, factor)| ms % factor == 0).expect("one divides every number"),
        };
        write!(f, "{}{unit}", self.0 / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_reads_back_what_it_writes() {
        for text in ["500ms", "10s", "15m", "2h", "7d", "0s", "90s"] {
            assert_eq!(text.parse::<Millis>().map(|time| time.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("60s".parse::<Millis>().map(|time| time.to_string()), Ok("1m".to_owned()));
        for text in ["", "10", "s", "1.5s", "-1s", "10 s", "99999999999999999999d", "213503982335d"] {
            assert_eq!(text.parse::<Millis>(), Err(DurationError(text.to_owned())));
        }
    }
}
