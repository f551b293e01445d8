//! Rows of figures, as JSON and as the table of a document.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// One figure, beside another's.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What was measured.
    pub bench: String,
    /// Our figure.
    pub ours: f64,
    /// Whose figure stands beside it; `None`: nobody's.
    pub against: Option<&'static str>,
    /// Their figure; `None` where they did not run.
    pub peer: Option<f64>,
    /// The unit of both.
    pub unit: &'static str,
    /// What is to be reached.
    pub bar: Option<Bar>,
}

/// What is to be reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// Ours divided by the peer's is below this.
    RatioBelow(f64),
    /// Ours divided by the peer's is this at least.
    RatioAtLeast(f64),
    /// Ours is below this.
    Below(f64),
    /// Ours is this at least.
    AtLeast(f64),
}

impl Row {
    /// Returns a figure that nobody's stands beside.
    pub fn alone(bench: String, ours: f64, unit: &'static str, bar: Option<Bar>) -> Row {
        Row { bench, ours, against: None, peer: None, unit, bar }
    }

    /// Returns ours divided by the peer's.
    pub fn ratio(&self) -> Option<f64> {
        self.peer.map(|peer| self.ours / peer)
    }

    /// Returns whether the bar is reached; nothing where there is none, or no peer to compare with.
    pub fn met(&self) -> Option<bool> {
        match self.bar? {
            Bar::RatioBelow(bar) => self.ratio().map(|ratio| ratio < bar),
            Bar::RatioAtLeast(bar) => self.ratio().map(|ratio| ratio >= bar),
            Bar::Below(bar) => Some(self.ours < bar),
            Bar::AtLeast(bar) => Some(self.ours >= bar),
        }
    }

    /// Returns the row as JSON.
    pub fn to_json(&self) -> Value {
        let bar = self.bar.map(|bar| bar_in_words(bar, self.unit));
        json!({
            "bench": self.bench, "ours": rounded(self.ours), "peer": self.peer.map(rounded), "against": self.against,
            "unit": self.unit, "ratio": self.ratio().map(rounded), "bar": bar, "met": self.met(),
        })
    }
}

fn bar_in_words(bar: Bar, unit: &str) -> String {
    match bar {
        Bar::RatioBelow(bar) => format!("ratio below {}", figure(bar)),
        Bar::RatioAtLeast(bar) => format!("ratio at least {}", figure(bar)),
        Bar::Below(bar) => format!("below {} {unit}", figure(bar)),
        Bar::AtLeast(bar) => format!("at least {} {unit}", figure(bar)),
    }
}

/// Returns the figure with three digits that count.
fn rounded(number: f64) -> f64 {
    figure(number).parse().unwrap_or(number)
}

fn figure(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        ..0.01 => format!("{number:.6}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        ..10.0 => format!("{number:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        10.0..100.0 => format!("{number:.1}").trim_end_matches(".0").to_owned(),
        _ => format!("{number:.0}"),
    }
}

/// Returns the rows as a Markdown table.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| what | ours | beside | theirs | unit | ours / theirs | bar |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let peer = row.peer.map(figure).unwrap_or_default();
        let ratio = row.ratio().map(figure).unwrap_or_default();
        let bar = row.bar.map(|bar| bar_in_words(bar, row.unit)).unwrap_or_default();
        let met = match row.met() {
            Some(true) => ": met",
            Some(false) => ": **not met**",
            None => "",
        };
        let (bench, against, unit) = (&row.bench, row.against.unwrap_or_default(), row.unit);
        let _ = writeln!(
            text,
            "| {bench} | {} | {against} | {peer} | {unit} | {ratio} | {bar}{met} |",
            figure(row.ours)
        );
    }
    text
}

/// Returns the document with what stands between `<!-- begin NAME -->` and `<!-- end NAME -->`
/// replaced.
///
/// # Errors
///
/// When the document lacks the marks.
pub fn replaced(document: &str, name: &str, content: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let from = document.find(&begin).with_context(|| format!("the document has no line {}", begin.trim()))?
        + begin.len();
    let length = document[from..].find(&end).with_context(|| format!("the document has no line {end}"))?;
    Ok(format!("{}{content}{}", &document[..from], &document[from + length..]))
}

/// Returns what the figures were measured on: cores and their model, and the compiler. No names
/// of hosts.
pub fn machine(peers: &str) -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    format!("{cores} cores of {model}, {}; {peers}.\n", std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bar: Option<Bar>, peer: Option<f64>) -> Row {
        Row { bench: "a step".into(), ours: 12.34, against: Some("Erlang"), peer, unit: "ns", bar }
    }

    #[test]
    fn a_row_says_whether_its_bar_is_met() {
        assert_eq!(row(Some(Bar::RatioBelow(1.0)), Some(20.0)).met(), Some(true));
        assert_eq!(row(Some(Bar::RatioBelow(1.0)), Some(12.34)).met(), Some(false));
        assert_eq!(row(Some(Bar::RatioBelow(1.0)), None).met(), None);
        assert_eq!(row(Some(Bar::RatioAtLeast(0.5)), Some(24.68)).met(), Some(true));
        assert_eq!(row(Some(Bar::RatioAtLeast(0.5)), Some(25.0)).met(), Some(false));
        assert_eq!(row(Some(Bar::Below(12.0)), None).met(), Some(false));
        assert_eq!(row(Some(Bar::AtLeast(12.0)), None).met(), Some(true));
        assert_eq!(row(None, Some(1.0)).met(), None);
    }

    #[test]
    fn the_table_has_a_line_per_row_and_an_empty_place_where_nobody_ran() {
        let rows = [row(Some(Bar::RatioBelow(1.0)), Some(1234.0)), row(None, None)];
        let lines = [
            "| a step | 12.3 | Erlang | 1234 | ns | 0.01 | ratio below 1: met |",
            "| a step | 12.3 | Erlang |  | ns |  |  |",
        ];
        assert_eq!(table(&rows).lines().skip(2).collect::<Vec<_>>(), lines);
    }

    #[test]
    fn json_has_the_ratio() {
        let json = row(Some(Bar::RatioBelow(1.0)), Some(24.68)).to_json();
        assert_eq!((&json["ratio"], &json["met"]), (&json!(0.5), &json!(true)));
        assert_eq!(row(None, None).to_json()["peer"], Value::Null);
    }

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let document = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n";
        let made = replaced(document, "x", "new\n").expect("the marks are there");
        assert_eq!(made, "a\n<!-- begin x -->\nnew\n<!-- end x -->\nb\n");
        assert_eq!(
            replaced("a", "x", "").unwrap_err().to_string(),
            "the document has no line <!-- begin x -->"
        );
    }
}
