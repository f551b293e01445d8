//! Files in answers: ETags, ranges, and bodies that are read from the disk as they are sent.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::{FAULT, Failed, RANGE};

/// How much of a file is in memory for each who reads one.
const CHUNK_BYTES: u64 = 64 << 10;

/// A file on its way out.
pub(super) struct Served {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// What stands between the quotes of its ETag; none for files that change.
    pub(super) tag: Option<String>,
    pub(super) media_type: &'static str,
}

/// What of a file is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    /// From the first byte on, up to the second and without it.
    Part(u64, u64),
    /// Nothing that the file has.
    Outside,
}

/// Returns what a Range header asks for. One that is not understood, or asks for several parts,
/// counts as none (RFC 9110, 14.2).
fn asked(range: Option<&str>, bytes: u64) -> Asked {
    let Some((first, last)) = range
        .and_then(|range| range.strip_prefix("bytes="))
        .filter(|range| !range.contains(','))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Asked::Whole;
    };
    let plain = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten()
    };
    match (first, last) {
        ("", suffix) => match plain(suffix) {
            Some(0) => Asked::Outside,
            Some(_) if bytes == 0 => Asked::Outside,
            Some(suffix) => Asked::Part(bytes.saturating_sub(suffix), bytes),
            None => Asked::Whole,
        },
        (first, "") => match plain(first) {
            Some(first) if first < bytes => Asked::Part(first, bytes),
            Some(_) => Asked::Outside,
            None => Asked::Whole,
        },
        (first, last) => match (plain(first), plain(last)) {
            (Some(first), Some(last)) if first > last => Asked::Whole,
            (Some(first), Some(_)) if first >= bytes => Asked::Outside,
            (Some(first), Some(last)) => Asked::Part(first, last.saturating_add(1).min(bytes)),
            _ => Asked::Whole,
        },
    }
}

/// Returns true when a list of ETags has one.
fn has_tag(list: &HeaderValue, tag: &str) -> bool {
    let list = list.to_str().unwrap_or_default();
    list.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == "*" || one == tag)
}

/// Returns the answer that a body of this ETag needs none, if who asks has it already.
pub(super) fn unchanged(headers: &HeaderMap, tag: &str) -> Option<Response> {
    let known = headers.get(header::IF_NONE_MATCH)?;
    has_tag(known, tag).then(|| (StatusCode::NOT_MODIFIED, [(header::ETAG, tag.to_owned())]).into_response())
}

/// Answers with a file, or the part of it that is asked for.
pub(super) async fn serve(file: Served, headers: &HeaderMap) -> Result<Response, Failed> {
    let tag = file.tag.as_ref().map(|tag| format!("\"{tag}\""));
    if let Some(unchanged) = tag.as_deref().and_then(|tag| unchanged(headers, tag)) {
        return Ok(unchanged);
    }
    // A part of something else than what who asks has is of no use to it.
    let same = match (headers.get(header::IF_RANGE), &tag) {
        (None, _) => true,
        (Some(known), Some(tag)) => known.as_bytes() == tag.as_bytes(),
        (Some(_), None) => false,
    };
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok()).filter(|_| same);
    let bytes = file.bytes;
    let (status, from, to) = match asked(range, bytes) {
        Asked::Whole => (StatusCode::OK, 0, bytes),
        Asked::Part(from, to) => (StatusCode::PARTIAL_CONTENT, from, to),
        Asked::Outside => {
            let mut response = RANGE.problem(format!("the file has {bytes} bytes")).into_response();
            set(&mut response, header::CONTENT_RANGE, format!("bytes */{bytes}"));
            return Ok(response);
        }
    };
    let media_type = file.media_type;
    let mut response = (status, body(file, from, to).await?).into_response();
    set(&mut response, header::CONTENT_TYPE, media_type.to_owned());
    set(&mut response, header::CONTENT_LENGTH, (to - from).to_string());
    set(&mut response, header::ACCEPT_RANGES, "bytes".to_owned());
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut response, header::CONTENT_RANGE, format!("bytes {from}-{}/{bytes}", to - 1));
    }
    if let Some(tag) = tag {
        set(&mut response, header::ETAG, tag);
        // What a digest names never becomes anything else.
        set(&mut response, header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned());
    }
    Ok(response)
}

fn set(response: &mut Response, name: header::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::from_str(&value) {
        response.headers_mut().insert(name, value);
    }
}

/// Returns a body that is read as it is sent. A file that turns out shorter breaks the body off.
async fn body(file: Served, from: u64, to: u64) -> Result<Body, Failed> {
    let open = move || -> std::io::Result<File> {
        let mut file = File::open(&file.path)?;
        file.seek(SeekFrom::Start(from))?;
        Ok(file)
    };
    let file = blocking(open).await.map_err(|error| {
        tracing::error!(%error, "cannot read a file");
        FAULT.problem("the log of the registry says why")
    })?;
    let chunks = futures_util::stream::try_unfold((file, to - from), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let (chunk, file) = blocking(move || {
            let mut chunk = Vec::new();
            (&mut file).take(left.min(CHUNK_BYTES)).read_to_end(&mut chunk)?;
            Ok((chunk, file))
        })
        .await?;
        if chunk.is_empty() {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        }
        let left = left - chunk.len() as u64;
        Ok(Some((Bytes::from(chunk), (file, left))))
    });
    Ok(Body::from_stream(chunks))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_understood_or_counts_as_none() {
        for (range, expect) in [
            ("bytes=0-", Asked::Part(0, 10)),
            ("bytes=3-", Asked::Part(3, 10)),
            ("bytes=3-5", Asked::Part(3, 6)),
            ("bytes=3-99", Asked::Part(3, 10)),
            ("bytes=-4", Asked::Part(6, 10)),
            ("bytes=-99", Asked::Part(0, 10)),
            ("bytes=10-", Asked::Outside),
            ("bytes=10-12", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=5-3", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("bytes=+1-", Asked::Whole),
            ("bytes=18446744073709551616-", Asked::Whole),
            ("bytes=3-18446744073709551615", Asked::Part(3, 10)),
            ("lines=0-1", Asked::Whole),
            ("bytes=", Asked::Whole),
        ] {
            assert_eq!(asked(Some(range), 10), expect, "{range}");
        }
        assert_eq!(asked(None, 10), Asked::Whole);
        assert_eq!(asked(Some("bytes=-1"), 0), Asked::Outside);
        assert_eq!(asked(Some("bytes=0-"), 0), Asked::Outside);
    }
}
