//! On Ints, Durations, secrets and anything. `n` is the Int, `d` the Duration, `s` the secret, `x` the value.

use super::{On, Standard};

const fn int(
    form: &'static str,
    gives: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Standard {
    Standard::basic(On::Int, form, gives, examples)
}

const fn any(
    form: &'static str,
    gives: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Standard {
    Standard::basic(On::Anything, form, gives, examples)
}

const fn defined(
    on: On,
    form: &'static str,
    gives: &'static str,
    definition: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Standard {
    Standard::defined(on, form, gives, definition, examples)
}

pub(super) const INT: &[Standard] = &[
    defined(On::Int, "n.abs()", "without its sign", "if n < 0 { -n } else { n }", &[
        ("(-7).abs()", "7"),
        ("(-9223372036854775808).abs()", "trap: integer overflow"),
    ]),
    defined(On::Int, "n.sign()", "-1, 0 or 1", "if n < 0 { -1 } else { if n > 0 { 1 } else { 0 } }", &[
        ("(-7).sign()", "-1"),
        ("0.sign()", "0"),
        ("7.sign()", "1"),
    ]),
    defined(On::Int, "n.min(m)", "the lesser", "if n <= m { n } else { m }", &[("7.min(8)", "7"), ("7.min(6)", "6")]),
    defined(On::Int, "n.max(m)", "the greater", "if n >= m { n } else { m }", &[("7.max(8)", "8"), ("7.max(6)", "7")]),
    defined(On::Int, "n.clamp(lo, hi)", "the nearest number from lo to hi", "n.max(lo).min(hi)", &[
        ("12.clamp(0, 9)", "9"),
        ("(-3).clamp(0, 9)", "0"),
        ("5.clamp(0, 9)", "5"),
    ]),
    defined(
        On::Int,
        "n.pow(p)",
        "n multiplied p times; a p below 0 traps",
        "(1, n, p).iterate_while(63, ((_, _, rest)) -> rest > 0, ((product, power, rest)) ->
           (if rest % 2 == 1 { product * power } else { product }, if rest > 1 { power * power } else { power }, rest / 2)).0",
        &[
            ("2.pow(10)", "1024"),
            ("7.pow(0)", "1"),
            ("(-2).pow(63)", "-9223372036854775808"),
            ("1.pow(9223372036854775807)", "1"),
            ("2.pow(63)", "trap: integer overflow"),
            ("2.pow(0 - 1)", "trap: value outside the limits of its type"),
        ],
    ),
    int("n.to(m)", "the numbers from n up to, and without, m", &[("3.to(6)", "[3, 4, 5]"), ("6.to(3)", "[]")]),
    int("n.bit_and(m)", "the bits that are set in both", &[("12.bit_and(10)", "8")]),
    int("n.bit_or(m)", "the bits that are set in either", &[("12.bit_or(10)", "14")]),
    int("n.bit_xor(m)", "the bits that are set in one alone", &[("12.bit_xor(10)", "6")]),
    int("n.ms()", "that many milliseconds, as a Duration", &[("1500.ms()", "1500ms")]),
    defined(On::Int, "n.seconds()", "that many seconds", "n * 1s", &[("90.seconds()", "90s")]),
    defined(On::Int, "n.minutes()", "that many minutes", "n * 1m", &[("90.minutes()", "90m")]),
    defined(On::Int, "n.hours()", "that many hours", "n * 1h", &[("36.hours()", "36h")]),
    defined(On::Int, "n.days()", "that many days", "n * 1d", &[("2.days()", "48h")]),
];

pub(super) const DURATION: &[Standard] = &[
    Standard::basic(On::Duration, "d.ms()", "its milliseconds, as an Int", &[("2s.ms()", "2000")]),
    defined(
        On::Duration,
        "d.seconds()",
        "its whole seconds, as an Int",
        "d / 1s",
        &[("2500ms.seconds()", "2")],
    ),
    defined(On::Duration, "d.minutes()", "its whole minutes, as an Int", "d / 1m", &[("90s.minutes()", "1")]),
    defined(On::Duration, "d.hours()", "its whole hours, as an Int", "d / 1h", &[("1d.hours()", "24")]),
    defined(On::Duration, "d.days()", "its whole days, as an Int", "d / 1d", &[("36h.days()", "1")]),
    defined(
        On::Duration,
        "d.abs()",
        "without its sign",
        "if d < 0ms { -d } else { d }",
        &[("(1s - 3s).abs()", "2s")],
    ),
    defined(
        On::Duration,
        "d.min(d2)",
        "the shorter",
        "if d <= d2 { d } else { d2 }",
        &[("1m.min(90s)", "1m")],
    ),
    defined(
        On::Duration,
        "d.max(d2)",
        "the longer",
        "if d >= d2 { d } else { d2 }",
        &[("1m.max(90s)", "90s")],
    ),
    defined(
        On::Duration,
        "d.clamp(lo, hi)",
        "the nearest Duration from lo to hi",
        "d.max(lo).min(hi)",
        &[("5m.clamp(1s, 1m)", "1m")],
    ),
];

pub(super) const SECRET: &[Standard] = &[Standard::basic(
    On::Secret,
    "s.reveal()",
    "what the secret holds, from here on for all to read",
    &[("password.reveal()", "\"hush\"")],
)];

pub(super) const ANYTHING: &[Standard] = &[
    any(
        "x.iterate(n, x -> e)",
        "e of x, then e of that, n times in all",
        &[("1.iterate(10, x -> x * 2)", "1024"), ("1.iterate(-1, x -> x * 2)", "1")],
    ),
    any(
        "x.iterate_while(n, x -> c, x -> e)",
        "the same, as long as c holds, and n times at most",
        &[
            ("1.iterate_while(100, x -> x < 50, x -> x * 2)", "64"),
            ("1.iterate_while(3, x -> x < 50, x -> x * 2)", "8"),
        ],
    ),
    any("x.hash()", "the SHA-256 of its canonical form, as Bytes", &[("7.hash().len()", "32")]),
    any(
        "x.show()",
        "an Int, Bool, Text or Duration as Text; a Duration in milliseconds",
        &[("(-7).show()", "\"-7\""), ("true.show()", "\"true\""), ("2s.show()", "\"2000\"")],
    ),
];
