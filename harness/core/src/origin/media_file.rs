//! `byterange`: init and segments as sub-ranges of one file that grows (RFC 8216, 4.3.2.2).

use std::ops::Range;

use super::response::Whole;
use super::{FILE_NAME, Origin, not_found};
use crate::exchange::Ask;
use crate::fault::RangeAnswer;
use crate::hls::ByteRange;
use crate::media;
use crate::presentation::Presentation;
use crate::trace::{Content, Resource};

/// Where in the file everything is.
#[derive(Debug, Clone)]
pub struct MediaFile {
    media_sequence: u64,
    init_bytes: u64,
    /// Of the segments of one lap.
    lap_bytes: Vec<u64>,
}

impl MediaFile {
    pub fn new(presentation: &Presentation) -> MediaFile {
        let media = presentation.main();
        MediaFile {
            media_sequence: presentation.media_sequence,
            init_bytes: media.init.len() as u64,
            lap_bytes: media.segments.iter().map(|part| part.bytes.len() as u64).collect(),
        }
    }

    pub fn init(&self) -> Range<u64> {
        0..self.init_bytes
    }

    pub fn segment(&self, msn: u64) -> Range<u64> {
        let n = self.lap_bytes.len() as u64;
        let index = msn - self.media_sequence;
        let (laps, i) = (index / n, (index % n) as usize);
        let before = self.init_bytes
            + laps * self.lap_bytes.iter().sum::<u64>()
            + self.lap_bytes[..i].iter().sum::<u64>();
        before..before + self.lap_bytes[i]
    }
}

/// The range of a Range header with one range that has both ends.
pub fn asked(header: &str) -> Option<Range<u64>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then(|| first..last.saturating_add(1))
}

pub fn byte_range(range: Range<u64>, is_offset_said: bool) -> ByteRange {
    ByteRange { length: range.end - range.start, offset: is_offset_said.then_some(range.start) }
}

impl Origin {
    /// Which part of the file a request is for; `Unknown` where its range is that of no segment.
    pub(super) fn in_file(&self, name: &str, ask: &Ask, end: u64) -> Resource {
        let (Some(file), Some(range)) = (&self.file, ask.range.and_then(asked)) else {
            return Resource::Unknown;
        };
        if name != FILE_NAME {
            return Resource::Unknown;
        }
        if range == file.init() {
            return Resource::Init { variant: 0, run: 1 };
        }
        let msns = file.media_sequence..end;
        match msns.clone().find(|msn| file.segment(*msn) == range) {
            Some(msn) => Resource::Segment { variant: 0, run: 1, msn },
            None => Resource::Unknown,
        }
    }

    pub(super) fn part_of_file(&self, ask: &Ask, end: u64, resource: Resource, fired: &[usize]) -> Whole {
        let Some(file) = &self.file else { return not_found() };
        let all: Vec<u8> = {
            let mut all = self.presentation.main().init.to_vec();
            for msn in file.media_sequence..end {
                all.extend_from_slice(&self.media(0, msn, &[]).0);
            }
            all
        };
        let answer = fired.iter().filter_map(|i| self.faults[*i].range).next_back();
        let total = all.len() as u64;
        let range = match (ask.range.and_then(asked), answer) {
            (None, _) | (_, Some(RangeAnswer::Ignored)) => {
                return Whole {
                    status: 200,
                    content_type: "video/mp4",
                    body: all.into(),
                    // The part that was asked for is in it.
                    content: self.content_of_part(resource),
                    headers: vec![("accept-ranges".into(), "bytes".into())],
                };
            }
            (Some(range), Some(RangeAnswer::Shifted)) => {
                let length = range.end - range.start;
                range.end..range.end + length
            }
            (Some(range), Some(RangeAnswer::Whole) | None) => range,
        };
        if range.start >= total {
            return Whole::status(416);
        }
        let range = range.start..range.end.min(total);
        let body = match answer {
            Some(RangeAnswer::Whole) => &all[..],
            _ => &all[range.start as usize..range.end as usize],
        };
        let content = match answer {
            Some(RangeAnswer::Shifted) => Content::Nothing,
            _ => self.content_of_part(resource),
        };
        Whole {
            status: 206,
            content_type: "video/mp4",
            headers: vec![(
                "content-range".into(),
                format!("bytes {}-{}/{total}", range.start, range.end - 1),
            )],
            body: body.into(),
            content,
        }
    }

    fn content_of_part(&self, resource: Resource) -> Content {
        match resource {
            Resource::Init { .. } => Content::Init {
                digest: media::digest(super::moov(&self.presentation.main().init)),
                is_spoiled: false,
            },
            Resource::Segment { variant, msn, .. } => Content::Segment(self.media(variant, msn, &[]).1),
            _ => Content::Nothing,
        }
    }
}
