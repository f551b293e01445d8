//! Texts of a certain form: names, versions, times.
//!
//! The patterns are in the common part of the dialects of JSON Schema and of Rust. A test holds each
//! against the reader of the form, with texts made for it and with generated ones.

use crate::name::NAME_BYTES_MAX;
use crate::path::PATH_BYTES_MAX;
use crate::place::PLACE_BYTES_MAX;
use crate::version::VERSION_BYTES_MAX;

/// A text of a certain form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// What it is called: `a version`.
    pub what: &'static str,
    /// A regular expression that matches whole texts of the form.
    pub pattern: &'static str,
    /// The greatest length.
    pub chars_max: usize,
    /// Texts of this form.
    pub examples: &'static [&'static str],
}

/// The name of an application, machine, channel or port.
pub const NAME: Form = Form {
    what: "a name",
    pattern: "^[a-z][a-z0-9_]*$",
    chars_max: NAME_BYTES_MAX,
    examples: &["stock", "till_2"],
};

/// The name of a release.
pub const RELEASE_NAME: Form = Form {
    what: "a release name",
    pattern: "^[a-z][a-z0-9_]*(-[a-z][a-z0-9_]*)*$",
    chars_max: NAME_BYTES_MAX,
    examples: &["shop", "shop-floor"],
};

/// The key of an instance.
pub const KEY: Form = Form {
    what: "a key",
    pattern: "^[\\s\\S]+$",
    chars_max: crate::address::KEY_BYTES_MAX,
    examples: &["front-door", "12/a"],
};

/// A semantic version without build metadata.
pub const VERSION: Form = Form {
    what: "a version",
    pattern: "^(0|[1-9][0-9]{0,18})\\.(0|[1-9][0-9]{0,18})\\.(0|[1-9][0-9]{0,18})(-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(\\.(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?$",
    chars_max: VERSION_BYTES_MAX,
    examples: &["1.2.0", "2.0.0-rc.1"],
};

/// A range of semantic versions. The pattern takes some texts that are none.
pub const REQUIREMENT: Form = Form {
    what: "a range of versions",
    pattern: "^[0-9A-Za-z.*^~=<>, +-]+$",
    chars_max: VERSION_BYTES_MAX,
    examples: &["^1.0", "=1.4.0", ">=1.2, <2"],
};

/// A path inside the project.
pub const PATH: Form = Form {
    what: "a path inside the project",
    pattern: "^(?!\\.{1,2}(/|$))[^/\\\\:\\x00-\\x1f\\x7f-\\x9f]+(/(?!\\.{1,2}(/|$))[^/\\\\:\\x00-\\x1f\\x7f-\\x9f]+)*$",
    chars_max: PATH_BYTES_MAX,
    examples: &["apps/stock", "migrations/stock.cam"],
};

/// A SHA-256 digest.
pub const DIGEST: Form = Form {
    what: "a digest",
    pattern: "^sha256:[0-9a-f]{64}$",
    chars_max: 71,
    examples: &["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
};

/// A length of time.
pub const DURATION: Form = Form {
    what: "a length of time",
    pattern: "^[0-9]{1,11}(ms|s|m|h|d)$",
    chars_max: 13,
    examples: &["500ms", "10s", "15m", "2h", "7d"],
};

/// A length of time that is longer than nothing.
pub const TIME: Form = Form {
    what: "a length of time above 0",
    pattern: "^0{0,10}[1-9][0-9]{0,10}(ms|s|m|h|d)$",
    chars_max: 13,
    examples: &["500ms", "10s", "15m", "2h", "7d"],
};

/// The address of a machine.
pub const MACHINE: Form = Form {
    what: "app/machine",
    pattern: "^[a-z][a-z0-9_]{0,63}/[a-z][a-z0-9_]{0,63}$",
    chars_max: 2 * NAME_BYTES_MAX + 1,
    examples: &["stock/counter"],
};

/// A URL of HTTP without name, password or fragment.
pub const URL: Form = Form {
    what: "a URL",
    pattern: "^https?://([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?([/?][!$-;=?-\\[\\]-~]*)?$",
    chars_max: PLACE_BYTES_MAX,
    examples: &["https://registry.example.org:8443"],
};

/// A path of the node's system.
pub const SYSTEM_PATH: Form = Form {
    what: "a path, relative to the folder of this document or absolute",
    pattern: "^[^\\x00-\\x1f\\x7f-\\x9f]+$",
    chars_max: PLACE_BYTES_MAX,
    examples: &["/var/lib/camshaft", "secrets/mail"],
};

/// A registry: a server or a folder.
pub const PLACE: Form = Form {
    what: "a URL, or the path of a folder",
    pattern: "^(https?://.+|(?!.*://)[^\\x00-\\x1f\\x7f-\\x9f]+)$",
    chars_max: PLACE_BYTES_MAX,
    examples: &["https://registry.example.org", "../releases"],
};

/// An address and a port.
pub const LISTEN: Form = Form {
    what: "an address and port",
    pattern: "^([0-9]{1,3}(\\.[0-9]{1,3}){3}|\\[[0-9A-Fa-f:.%]+\\]):[0-9]{1,5}$",
    chars_max: 64,
    examples: &["127.0.0.1:7101", "[::1]:7101"],
};

/// The key of a label.
pub const LABEL_KEY: Form = Form {
    what: "the key of a label",
    pattern: "^[a-z][a-z0-9_.-]*$",
    chars_max: 63,
    examples: &["zone", "role"],
};

/// The value of a label.
pub const LABEL_VALUE: Form = Form {
    what: "the value of a label",
    pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]*$",
    chars_max: 63,
    examples: &["eu-1", "edge"],
};

/// A number of bytes.
pub const SIZE: Form = Form {
    what: "a size",
    pattern: "^[0-9]{1,10}(B|KiB|MiB|GiB)$",
    chars_max: 13,
    examples: &["64KiB", "512MiB", "2GiB"],
};

/// A selector of nodes.
pub const SELECTOR: Form = Form {
    what: "a selector",
    pattern: "^\\s*(\\*|(!\\s*)?[a-z][\\s\\S]*)\\s*$",
    chars_max: 1024,
    examples: &["zone=eu-1, role!=edge", "zone in (a, b), !canary", "*"],
};

/// A share of a hundred.
pub const PERCENT: Form = Form {
    what: "a share such as `\"10%\"`",
    pattern: "^(0{0,2}[0-9]|0?[1-9][0-9]|100)%$",
    chars_max: 4,
    examples: &["10%"],
};

/// A time of the day.
pub const CLOCK: Form = Form {
    what: "a time of the day",
    pattern: "^([01][0-9]|2[0-3]):[0-5][0-9]$",
    chars_max: 5,
    examples: &["22:30"],
};

/// An offset from UTC.
pub const OFFSET: Form = Form {
    what: "an offset from UTC",
    pattern: "^[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00)$",
    chars_max: 6,
    examples: &["+02:00", "-05:30"],
};

/// A rule of compatibility, or a law.
pub const RULE: Form =
    Form { what: "a rule or law", pattern: "^(U[0-9]{3}|L[0-9])$", chars_max: 4, examples: &["U019", "L1"] };

/// All forms.
pub const ALL: &[Form] = &[
    NAME,
    RELEASE_NAME,
    KEY,
    VERSION,
    REQUIREMENT,
    PATH,
    DIGEST,
    DURATION,
    TIME,
    MACHINE,
    URL,
    SYSTEM_PATH,
    PLACE,
    LISTEN,
    LABEL_KEY,
    LABEL_VALUE,
    SIZE,
    SELECTOR,
    PERCENT,
    CLOCK,
    OFFSET,
    RULE,
];
