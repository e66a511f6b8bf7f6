//! The vocabulary of a Media Playlist (RFC 8216, section 4) and its text.
//!
//! Written by hand because the suite must be able to say every byte; what is written is read back with
//! m3u8-rs in the tests.

use std::fmt::Write;

/// One version of a Media Playlist.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaPlaylist {
    pub target_duration_s: u32,
    pub media_sequence: u64,
    pub map_uri: String,
    pub segments: Vec<MediaSegment>,
    /// EXT-X-ENDLIST is present.
    pub ended: bool,
}

/// One entry of a Media Playlist.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaSegment {
    pub uri: String,
    /// EXTINF, seconds.
    pub duration_s: f64,
    /// EXT-X-GAP (draft-pantos-hls-rfc8216bis, 4.4.4.7): listed, but absent.
    pub gap: bool,
}

impl MediaPlaylist {
    /// The text that goes over the wire.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Version 7 as ffmpeg writes it for fMP4; EXT-X-GAP needs 8 (rfc8216bis, section 8).
        let version = if self.segments.iter().any(|s| s.gap) { 8 } else { 7 };
        let _ = write!(
            text,
            "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-MAP:URI=\"{}\"\n",
            self.target_duration_s, self.media_sequence, self.map_uri
        );
        for segment in &self.segments {
            if segment.gap {
                text.push_str("#EXT-X-GAP\n");
            }
            let _ = write!(text, "#EXTINF:{:.6},\n{}\n", segment.duration_s, segment.uri);
        }
        if self.ended {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m3u8_rs_reads_back_what_is_rendered() {
        let segment = |n: u64, gap| MediaSegment { uri: format!("live{n}.m4s"), duration_s: 2.002, gap };
        let playlist = MediaPlaylist {
            target_duration_s: 2,
            media_sequence: 100,
            map_uri: "live.mp4".into(),
            segments: vec![segment(100, false), segment(101, true), segment(102, false)],
            ended: true,
        };
        let (_, read) = m3u8_rs::parse_media_playlist(playlist.render().as_bytes()).unwrap();
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
}
