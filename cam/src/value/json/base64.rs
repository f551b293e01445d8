//! Base64 of RFC 4648 section 4, strict: forty lines instead of a dependency.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns the text for some octets, with padding.
pub(super) fn encode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for chunk in octets.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(group);
        for position in 0..4 {
            let digit = bits >> (18 - 6 * position) & 0x3f;
            text.push(if position <= chunk.len() { char::from(ALPHABET[digit as usize]) } else { '=' });
        }
    }
    text
}

/// Returns the octets of a text, if it is exactly what [`encode`] writes for them: so one value
/// has one text.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    if padding > 2 || !text.len().is_multiple_of(4) {
        return None;
    }
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    for chunk in digits.as_bytes().chunks(4) {
        let mut bits = 0;
        for position in 0..4 {
            bits = bits << 6 | chunk.get(position).map_or(Some(0), |c| digit(*c))?;
        }
        let group = bits.to_be_bytes();
        // Of a short group's last digit the lowest bits stand for nothing, and have to be zero.
        let (used, rest) = group[1..].split_at(chunk.len() - 1);
        if rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        octets.extend(used);
    }
    Some(octets)
}

fn digit(c: u8) -> Option<u32> {
    let digit = match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_section_10() {
        for (octets, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(octets.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(octets.as_bytes()));
        }
    }

    #[test]
    fn all_digits_stand_for_themselves() {
        let text = std::str::from_utf8(ALPHABET).expect("the alphabet is ASCII");
        assert_eq!(decode(text).map(|octets| encode(&octets)).as_deref(), Some(text));
    }

    #[test]
    fn any_other_text_is_refused() {
        let others = [
            "Zg", "Zg=", "Zg===", "Zg====", "Z", "Z===", "=", "====", "Zh==", "Zm9=", "Zm 9", "Zm9v\n",
            "Zm9-", "Zm9_", "Zg==Zg==", "Z=g=", "Zé=",
        ];
        for text in others {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
