//! Places outside the project: URLs, files and folders of a node, and sizes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The greatest length of a URL or of a path of the system in bytes.
pub const PLACE_BYTES_MAX: usize = 2048;

/// Why a text is no place or size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Not a URL of HTTP.
    #[error("`{0}` is no URL such as https://registry.example.org:8443/path")]
    Url(String),
    /// With name or password. The text is left out: it holds what should not be shown.
    #[error("this URL holds a name or password; no secret stands in a document, put it into a file")]
    Secret,
    /// No path of the system.
    #[error("a path has 1 to {PLACE_BYTES_MAX} bytes and no control characters")]
    Path,
    /// No size.
    #[error("`{0}` is no size such as 64KiB, 512MiB or 2GiB")]
    Size(String),
}

fn shown(text: &str) -> String {
    text.chars().take(120).collect()
}

/// A URL of HTTP or HTTPS, without name, password or fragment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url(Arc<str>);

impl Url {
    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Url {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Url, PlaceError> {
        let error = || PlaceError::Url(shown(text));
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or_else(error)?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(PlaceError::Secret);
        }
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) if is_of(host, |c| c.is_ascii_hexdigit() || matches!(c, ':' | '.')) => {
                (host, port)
            }
            Some(_) => return Err(error()),
            None => {
                let end = authority.find(':').unwrap_or(authority.len());
                let (host, port) = authority.split_at(end);
                if !is_of(host, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
                    return Err(error());
                }
                (host, port)
            }
        };
        let port_is_good = match port.strip_prefix(':') {
            Some(port) => is_of(port, |c| c.is_ascii_digit()) && port.parse::<u16>().is_ok(),
            None => port.is_empty(),
        };
        let rest = &rest[authority.len()..];
        let rest_is_good =
            rest.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '#' | '"' | '<' | '>' | '\\'));
        if host.is_empty() || !port_is_good || !rest_is_good || text.len() > PLACE_BYTES_MAX {
            return Err(error());
        }
        Ok(Url(text.into()))
    }
}

fn is_of(text: &str, good: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(good)
}

/// A path of the node's system: absolute, or relative to the folder of the document.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemPath(Arc<str>);

impl SystemPath {
    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SystemPath {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<SystemPath, PlaceError> {
        if text.is_empty() || text.len() > PLACE_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(PlaceError::Path);
        }
        Ok(SystemPath(text.into()))
    }
}

/// Where a registry is: a server, or a folder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A server.
    Url(Url),
    /// A folder.
    Folder(SystemPath),
}

impl FromStr for Place {
    type Err = PlaceError;

    /// What has a scheme is a URL; a mistyped one is not taken for a folder.
    fn from_str(text: &str) -> Result<Place, PlaceError> {
        if text.contains("://") { text.parse().map(Place::Url) } else { text.parse().map(Place::Folder) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Url(url) => url.fmt(f),
            Place::Folder(path) => path.fmt(f),
        }
    }
}

macro_rules! shown_as_text {
    ($($name:ident),*) => {
        $(impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        })*
    };
}

shown_as_text!(Url, SystemPath);

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A number of bytes as documents write it: `64KiB`, `512MiB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// From the largest unit to the smallest; the writer takes the first that divides.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl FromStr for Bytes {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Bytes, PlaceError> {
        let error = || PlaceError::Size(shown(text));
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        let number: u64 = number.parse().map_err(|_| error())?;
        number.checked_mul(*factor).map(Bytes).ok_or_else(error)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = match self.0 {
            0 => ("B", 1),
            bytes => {
                UNITS.into_iter().find(|(_, factor)| bytes % factor == 0).expect("1 divides every number")
            }
        };
        write!(f, "{}{unit}", self.0 / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_one_of_http_and_holds_no_secret() {
        for text in [
            "http://127.0.0.1:7101",
            "https://registry.example.org",
            "https://a.example/x/y?z=1&w=%20",
            "http://[::1]:80/",
        ] {
            assert_eq!(text.parse::<Url>().map(|url| url.to_string()), Ok(text.to_owned()));
        }
        let reason = |text: &str| text.parse::<Url>().expect_err(text);
        for text in [
            "",
            "registry.example.org",
            "ftp://a",
            "http://",
            "http://:80",
            "http://a:b",
            "http://a:99999",
            "http://a:+1",
            "http://a b/",
            "http://a/ b",
            "http://a/#x",
            "http://[::1",
            "http://[x]:1",
            "http://[::1]x",
        ] {
            assert_eq!(reason(text), PlaceError::Url(text.to_owned()));
        }
        assert_eq!(reason("https://ann:hunter2@a.example/"), PlaceError::Secret);
        assert!(!reason("https://ann:hunter2@a.example/").to_string().contains("hunter2"));
    }

    #[test]
    fn a_place_is_a_server_or_a_folder() {
        assert_eq!("../releases".parse(), Ok(Place::Folder("../releases".parse().expect("a path"))));
        assert_eq!("http://a".parse(), Ok(Place::Url("http://a".parse().expect("a URL"))));
        assert_eq!("htp://a".parse::<Place>(), Err(PlaceError::Url("htp://a".to_owned())));
        assert_eq!("a\nb".parse::<Place>(), Err(PlaceError::Path));
        assert_eq!("".parse::<Place>(), Err(PlaceError::Path));
    }

    #[test]
    fn a_size_reads_back_what_it_writes() {
        for text in ["1B", "64KiB", "512MiB", "2GiB", "1025KiB", "0B"] {
            assert_eq!(text.parse::<Bytes>().map(|size| size.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("1024MiB".parse::<Bytes>().map(|size| size.to_string()), Ok("1GiB".to_owned()));
        for text in ["", "1", "1MB", "MiB", "1.5GiB", "-1B", "99999999999GiB"] {
            assert_eq!(text.parse::<Bytes>(), Err(PlaceError::Size(text.to_owned())));
        }
    }
}
