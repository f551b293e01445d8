//! Times of the day and offsets from UTC, as documents write them.

use std::fmt;
use std::str::FromStr;

/// A time of the day in minutes after midnight, written `22:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u16);

/// How far a clock is from UTC in minutes, written `+02:00`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(i16);

/// Why a text is no time of the day or offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// No time of the day.
    #[error("`{0}` is no time of the day such as 22:30")]
    Time(String),
    /// No offset.
    #[error("`{0}` is no offset from UTC such as +02:00, -05:30 or +00:00")]
    Offset(String),
}

impl TimeOfDay {
    /// Returns the minutes after midnight.
    pub fn minutes(self) -> u16 {
        self.0
    }
}

impl Offset {
    /// Returns the minutes that are added to UTC.
    pub fn minutes(self) -> i16 {
        self.0
    }
}

/// Reads `22:30`.
fn clock(text: &str) -> Option<u16> {
    let two = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

impl FromStr for TimeOfDay {
    type Err = ClockError;

    fn from_str(text: &str) -> Result<TimeOfDay, ClockError> {
        clock(text).map(TimeOfDay).ok_or_else(|| ClockError::Time(text.chars().take(80).collect()))
    }
}

impl FromStr for Offset {
    type Err = ClockError;

    fn from_str(text: &str) -> Result<Offset, ClockError> {
        let error = || ClockError::Offset(text.chars().take(80).collect());
        let (sign, rest) = match text.split_at_checked(1) {
            Some(("+", rest)) => (1, rest),
            Some(("-", rest)) => (-1, rest),
            _ => return Err(error()),
        };
        // No clock is further from UTC.
        let minutes = clock(rest).filter(|minutes| *minutes <= 14 * 60).ok_or_else(error)?;
        i16::try_from(minutes).map(|minutes| Offset(sign * minutes)).map_err(|_| error())
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, minutes) = (if self.0 < 0 { '-' } else { '+' }, self.0.unsigned_abs());
        write!(f, "{sign}{}", TimeOfDay(minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_read_back_what_they_write() {
        for text in ["00:00", "22:30", "23:59"] {
            assert_eq!(text.parse::<TimeOfDay>().map(|time| time.to_string()), Ok(text.to_owned()));
        }
        for text in ["+00:00", "+05:30", "-08:00", "+14:00"] {
            assert_eq!(text.parse::<Offset>().map(|offset| offset.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "24:00", "1:00", "12:60", "12:5", "+1:00", "12"] {
            assert_eq!(text.parse::<TimeOfDay>(), Err(ClockError::Time(text.to_owned())));
        }
        for text in ["", "Z", "02:00", "+15:00", "+2", "-:00", "é"] {
            assert_eq!(text.parse::<Offset>(), Err(ClockError::Offset(text.to_owned())));
        }
    }
}
