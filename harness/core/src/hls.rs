//! The vocabulary of a Media Playlist (RFC 8216, section 4) and its text.
//!
//! Written by hand because the suite must be able to say every byte; what is written is read back with
//! m3u8-rs in the tests.

use std::fmt::Write;

use crate::scenario::{Kind, LineEnds, MapPlace, PlaylistSettings, TagOrder};

/// One version of a Media Playlist.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MediaPlaylist {
    pub target_duration_s: u32,
    pub media_sequence: u64,
    /// EXT-X-DISCONTINUITY-SEQUENCE.
    pub discontinuity_sequence: Option<u64>,
    pub segments: Vec<MediaSegment>,
    /// EXT-X-ENDLIST is present.
    pub ended: bool,
}

/// One entry of a Media Playlist.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MediaSegment {
    pub uri: String,
    /// EXTINF, seconds.
    pub duration_s: f64,
    /// The Media Initialization Section that applies to it.
    pub map: Map,
    /// EXT-X-MAP is written before it even if it is the same as before.
    pub map_again: bool,
    /// EXT-X-DISCONTINUITY stands before it.
    pub discontinuity: bool,
    /// EXT-X-GAP (draft-pantos-hls-rfc8216bis, 4.4.4.7): listed, but absent.
    pub gap: bool,
    /// EXT-X-BYTERANGE.
    pub range: Option<ByteRange>,
    /// EXT-X-PROGRAM-DATE-TIME, milliseconds since 1970.
    pub date_ms: Option<f64>,
}

/// EXT-X-MAP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Map {
    pub uri: String,
    pub range: Option<ByteRange>,
}

/// A sub-range of a resource, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    pub length: u64,
    /// `None`: it begins where the one before ends.
    pub offset: Option<u64>,
}

impl std::fmt::Display for ByteRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.length)?;
        self.offset.map_or(Ok(()), |offset| write!(f, "@{offset}"))
    }
}

impl MediaPlaylist {
    /// The text that goes over the wire.
    pub fn render(&self, style: &PlaylistSettings) -> String {
        let mut lines = vec!["#EXTM3U".to_string()];
        // Version 7 as ffmpeg writes it for fMP4; EXT-X-GAP needs 8 (rfc8216bis, section 8).
        let version = if self.segments.iter().any(|s| s.gap) { 8 } else { 7 };
        lines.push(format!("#EXT-X-VERSION:{version}"));
        lines.push(format!("#EXT-X-TARGETDURATION:{}", self.target_duration_s));
        let mut map_in_force: Option<&Map> = None;
        if let (MapPlace::BeforeSequence, Some(first)) = (style.map, self.segments.first()) {
            lines.push(map_tag(&first.map, style));
            map_in_force = Some(&first.map);
        }
        lines.push(format!("#EXT-X-MEDIA-SEQUENCE:{}", self.media_sequence));
        if let Some(sequence) = self.discontinuity_sequence {
            lines.push(format!("#EXT-X-DISCONTINUITY-SEQUENCE:{sequence}"));
        }
        if style.kind == Kind::Event {
            lines.push("#EXT-X-PLAYLIST-TYPE:EVENT".into());
        }
        if style.unknown_tags {
            lines.extend([
                "#EXT-X-OF-TOMORROW:WHAT=\"a,b\",WHY=1".into(),
                "# a comment".into(),
                String::new(),
            ]);
        }
        for (i, segment) in self.segments.iter().enumerate() {
            let states_map =
                map_in_force != Some(&segment.map) || style.map == MapPlace::Each || segment.map_again;
            map_in_force = Some(&segment.map);
            let mut tags = segment_tags(segment, states_map.then_some(&segment.map), style);
            if style.unknown_tags {
                tags.push(format!("#EXT-X-OF-TOMORROW-TOO:{i}"));
            }
            if style.tag_order == TagOrder::Reversed {
                tags.reverse();
            }
            lines.extend(tags);
            lines.push(segment.uri.clone());
        }
        if self.ended {
            lines.push("#EXT-X-ENDLIST".into());
        }
        join(&lines, style)
    }
}

fn segment_tags(segment: &MediaSegment, map: Option<&Map>, style: &PlaylistSettings) -> Vec<String> {
    let mut tags = Vec::new();
    if segment.discontinuity {
        tags.push("#EXT-X-DISCONTINUITY".to_string());
    }
    if let Some(map) = map {
        tags.push(map_tag(map, style));
    }
    if let Some(date_ms) = segment.date_ms {
        tags.push(format!("#EXT-X-PROGRAM-DATE-TIME:{}", date(date_ms)));
    }
    if segment.gap {
        tags.push("#EXT-X-GAP".into());
    }
    if let Some(range) = segment.range {
        tags.push(format!("#EXT-X-BYTERANGE:{range}"));
    }
    tags.push(format!("#EXTINF:{:.6},", segment.duration_s));
    tags
}

fn map_tag(map: &Map, style: &PlaylistSettings) -> String {
    let mut tag = format!("#EXT-X-MAP:URI=\"{}\"", map.uri);
    if let Some(range) = map.range {
        let _ = write!(tag, ",BYTERANGE=\"{range}\"");
    }
    if style.unknown_tags {
        tag.push_str(",X-OF-TOMORROW=\"a,b\"");
    }
    tag
}

/// ISO 8601, with milliseconds, as RFC 8216, 4.3.2.6 recommends.
fn date(unix_ms: f64) -> String {
    let date = chrono::DateTime::from_timestamp_millis(unix_ms as i64).unwrap_or_default();
    date.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn join(lines: &[String], style: &PlaylistSettings) -> String {
    let mut text = String::new();
    if style.bom {
        text.push('\u{feff}');
    }
    for (i, line) in lines.iter().enumerate() {
        text.push_str(line);
        let is_last = i + 1 == lines.len();
        if is_last && !style.final_newline {
            break;
        }
        text.push_str(match style.line_ends {
            LineEnds::Lf => "\n",
            LineEnds::Crlf => "\r\n",
            LineEnds::Mixed if i % 2 == 0 => "\r\n",
            LineEnds::Mixed => "\n",
        });
    }
    text
}

/// What the EXTINF tags of a playlist's text say, milliseconds.
pub fn durations_ms(text: &str) -> Vec<f64> {
    let said = |line: &str| line.trim_end().strip_prefix("#EXTINF:")?.split(',').next()?.parse::<f64>().ok();
    text.lines().filter_map(said).map(|seconds| seconds * 1000.0).collect()
}

/// What EXT-X-TARGETDURATION says, milliseconds; `None` in what is no Media Playlist.
pub fn target_duration_ms(text: &str) -> Option<f64> {
    let said = text.lines().find_map(|line| line.trim_end().strip_prefix("#EXT-X-TARGETDURATION:"))?;
    said.parse::<f64>().ok().map(|seconds| seconds * 1000.0)
}

/// A path as it was before its query.
pub fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

/// A URI reference found in a playlist as path and query on one of the hosts, given the path and query under which
/// that playlist was answered (RFC 3986, 5.2, as far as playlists of ours go: no dot segments).
pub fn resolve(base: &str, uri: &str) -> String {
    let after_authority = |rest: &str| match rest.find('/') {
        Some(slash) => rest[slash..].to_string(),
        None => "/".to_string(),
    };
    if let Some((_, rest)) =
        uri.split_once("://").filter(|(scheme, _)| scheme.bytes().all(|b| b.is_ascii_alphabetic()))
    {
        return after_authority(rest);
    }
    if let Some(rest) = uri.strip_prefix("//") {
        return after_authority(rest);
    }
    if uri.starts_with('/') {
        return uri.to_string();
    }
    let path = base.split('?').next().unwrap_or("");
    let folder = path.rfind('/').map_or("", |slash| &path[..=slash]);
    format!("{folder}{uri}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m3u8_rs_reads_back_what_is_rendered() {
        let map = Map { uri: "live.mp4".into(), range: None };
        let segment = |n: u64, gap| MediaSegment {
            uri: format!("live{n}.m4s"),
            duration_s: 2.002,
            gap,
            map: map.clone(),
            ..Default::default()
        };
        let playlist = MediaPlaylist {
            target_duration_s: 2,
            media_sequence: 100,
            segments: vec![segment(100, false), segment(101, true), segment(102, false)],
            ended: true,
            ..Default::default()
        };
        let (_, read) =
            m3u8_rs::parse_media_playlist(playlist.render(&PlaylistSettings::default()).as_bytes()).unwrap();
        assert_eq!(read.media_sequence, 100);
        assert_eq!(read.target_duration, 2);
        assert!(read.end_list);
        assert_eq!(read.version, Some(8));
        assert_eq!(read.segments[0].map.as_ref().unwrap().uri, "live.mp4");
        let uris: Vec<_> = read.segments.iter().map(|s| s.uri.as_str()).collect();
        assert_eq!(uris, ["live100.m4s", "live101.m4s", "live102.m4s"]);
        assert!(read.segments.iter().all(|s| (s.duration - 2.002).abs() < 1e-6));
        let is_gap = |s: &m3u8_rs::MediaSegment| s.unknown_tags.iter().any(|t| t.tag == "X-GAP");
        assert_eq!(read.segments.iter().map(is_gap).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn a_uri_is_resolved_against_its_playlist() {
        for (uri, path) in [
            ("a.m4s", "/live/a.m4s"),
            ("a.m4s?x=/y/z", "/live/a.m4s?x=/y/z"),
            ("/b/a.m4s", "/b/a.m4s"),
            ("//other:81/b/a.m4s", "/b/a.m4s"),
            ("http://other:81/b/a.m4s", "/b/a.m4s"),
            ("http://other", "/"),
        ] {
            assert_eq!(resolve("/live/live.m3u8?p=/q/r", uri), path, "{uri}");
        }
    }
}
