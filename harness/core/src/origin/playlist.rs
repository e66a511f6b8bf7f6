//! What a playlist says: which version, which entries, in which words.

use super::disturb::keeps_body;
use super::media_file::byte_range;
use super::response::Whole;
use super::{FILE_NAME, Origin, is_about, playlist_name};
use crate::exchange::{Ask, Host};
use crate::fault::Fault;
use crate::hls::{self, Map, MediaPlaylist, MediaSegment};
use crate::presentation::variant_prefix;
use crate::scenario::{Byterange, Dates, Uris};
use crate::trace::{AUDIO, Content, Listing, Resource};

impl Origin {
    pub(super) fn playlist(
        &mut self,
        variant: u8,
        end: u64,
        now_ms: f64,
        attempt: u64,
        fired: &[usize],
        ask: &Ask,
    ) -> Whole {
        let v = self.presentation.place_of(variant);
        let faults: Vec<Fault> = fired.iter().map(|i| self.faults[*i].clone()).collect();
        let is_stale = faults.iter().any(|f| f.stale);
        let behind = faults.iter().filter_map(|f| f.behind).max();
        let is_instead = |f: &Fault| {
            f.status.is_some_and(|status| !keeps_body(status)) || f.body.is_some() || f.redirect.is_some()
        };
        let is_answered = !faults.iter().any(is_instead);
        // A playlist that nobody has asked for before stands still with the others.
        let fresh_end = self.fresh_end[v].or_else(|| self.fresh_end.iter().flatten().max().copied());
        if is_stale && is_answered {
            self.fresh_end[v] = fresh_end;
        }
        let end = match (is_stale, fresh_end, behind) {
            (true, Some(old), _) => old,
            (_, _, Some(behind)) => {
                end.saturating_sub(behind).max((self.timeline.media_sequence + 1).min(end))
            }
            _ => end,
        };
        if is_answered && !is_stale && behind.is_none() {
            self.fresh_end[v] = Some(end);
        }
        if is_answered {
            self.listed_end[v] = self.listed_end[v].max(Some(end));
        }
        self.answered_ms.push(now_ms);
        let token = self.answered_ms.len() - 1;
        let instead = faults.iter().filter_map(|f| f.text.clone()).next_back();
        let (text, listings) = match instead {
            Some(text) => {
                let listings = self.listings_of(&text, end, ask);
                (text, listings)
            }
            None => {
                let (playlist, listings) = self.compose(variant, end, attempt, token, &faults);
                (playlist.render(&self.scenario.playlist), listings)
            }
        };
        Whole {
            status: 200,
            content_type: "application/vnd.apple.mpegurl",
            body: text.clone().into_bytes().into(),
            content: Content::Playlist { text, listings },
            headers: Vec::new(),
        }
    }

    fn compose(
        &self,
        variant: u8,
        end: u64,
        attempt: u64,
        token: usize,
        faults: &[Fault],
    ) -> (MediaPlaylist, Vec<Listing>) {
        let first = self.timeline.first_listed(end);
        let msns = self.edit_entries(first..end, faults);
        let lowest = msns.iter().copied().min().unwrap_or(first);
        let mut listings: Vec<Listing> = Vec::new();
        let mut segments: Vec<MediaSegment> = Vec::new();
        for msn in msns {
            let (segment, listing) = self.entry(variant, msn, attempt, token, faults, listings.last());
            segments.push(segment);
            listings.push(listing);
        }
        let marks = self.faults.iter().filter(|f| f.discontinuity && is_about(f, variant));
        let marked = marks.map(|f| f.on.segments_below(lowest)).sum::<u64>();
        let discontinuities = self.presentation.discontinuities_before(lowest) + marked;
        let is_counted = self.scenario.playlist.discontinuity_sequence && discontinuities > 0;
        let playlist = MediaPlaylist {
            target_duration_s: faults
                .iter()
                .filter_map(|f| f.target_duration)
                .next_back()
                .unwrap_or(self.presentation.target_duration_s()),
            media_sequence: self.presentation.segment(variant, lowest).sequence,
            discontinuity_sequence: is_counted.then_some(discontinuities),
            segments,
            ended: self.timeline.last_msn.is_some_and(|last| end > last),
        };
        (playlist, listings)
    }

    /// Leaves out, doubles and turns round what the faults say.
    fn edit_entries(&self, msns: std::ops::Range<u64>, faults: &[Fault]) -> Vec<u64> {
        if faults.iter().any(|f| f.empty) {
            return Vec::new();
        }
        let does =
            |what: fn(&Fault) -> bool, msn: u64| faults.iter().any(|f| what(f) && f.on.has_segment(msn));
        let mut listed = Vec::new();
        for msn in msns.filter(|msn| !does(|f| f.drop, *msn)) {
            listed.push(msn);
            if does(|f| f.repeat, msn) {
                listed.push(msn);
            }
        }
        for fault in faults.iter().filter(|f| f.swap) {
            let places: Vec<usize> = (0..listed.len()).filter(|i| fault.on.has_segment(listed[*i])).collect();
            if let (Some(first), Some(last)) = (places.first(), places.last()) {
                listed[*first..=*last].reverse();
            }
        }
        listed
    }

    fn entry(
        &self,
        variant: u8,
        msn: u64,
        attempt: u64,
        token: usize,
        faults: &[Fault],
        previous: Option<&Listing>,
    ) -> (MediaSegment, Listing) {
        let style = &self.scenario.playlist;
        let on = |fault: &&Fault| fault.on.has_segment(msn);
        let same_as = faults.iter().filter(on).filter_map(|f| f.same_as?.first_segment()).next_back();
        let of = self.presentation.segment(variant, same_as.unwrap_or(msn));
        let here = self.presentation.segment(variant, msn);
        let range = self.file.as_ref().map(|file| file.segment(msn));
        let (name, init_name) = match range {
            Some(_) => (FILE_NAME.to_string(), FILE_NAME.to_string()),
            None => (of.name.clone(), format!("{}{}", variant_prefix(variant), of.init)),
        };
        let map = Map {
            uri: self.uri(&init_name, of.host, token),
            range: self.file.as_ref().map(|file| byte_range(file.init(), true)),
        };
        let duration_s = faults
            .iter()
            .filter(on)
            .filter_map(|f| f.extinf)
            .next_back()
            .map_or(of.part.duration_s, |extinf| extinf.ms(self.timeline.target_duration_ms) / 1000.0);
        let gap = self.is_gap(variant, msn);
        let uri = self.uri(&name, of.host, token);
        let listing = Listing {
            msn,
            uri: uri.clone(),
            range: range.clone().map(|range| (range.start, range.end)),
            gap,
            same_as,
            init: map.uri.clone(),
            init_range: self.file.as_ref().map(|file| (file.init().start, file.init().end)),
        };
        let is_date_due = match style.program_date_time {
            Dates::None => false,
            // RFC 8216, 4.3.2.6: it tells the date of the first of the list, and of what a discontinuity begins.
            Dates::First => previous.is_none() || here.discontinuity,
            Dates::Each | Dates::Jitter => true,
        };
        let segment = MediaSegment {
            uri,
            duration_s,
            map,
            map_again: here.map_again && here.is_first_of_epoch,
            discontinuity: here.discontinuity || faults.iter().filter(on).any(|f| f.discontinuity),
            gap,
            range: range.map(|range| {
                // Left out where the one before ends where this one begins.
                let follows = previous.and_then(|p| p.range).is_some_and(|(_, end)| end == range.start);
                byte_range(range, !follows || style.byterange == Byterange::Offset)
            }),
            date_ms: is_date_due.then(|| {
                let jitter_ms = match style.program_date_time {
                    Dates::Jitter => ((attempt * 73 + msn * 37) % 401) as f64 - 200.0,
                    _ => 0.0,
                };
                self.zero_unix_ms + self.timeline.began_ms(msn) + jitter_ms
            }),
        };
        (segment, listing)
    }

    /// A name as the scenario wants URIs.
    fn uri(&self, name: &str, host: Host, token: usize) -> String {
        let base = self.bases.of(host);
        let path = format!("{}{name}", super::FOLDER);
        match self.scenario.playlist.uris {
            _ if host == Host::Second => format!("{base}{path}"),
            Uris::Relative => name.to_string(),
            Uris::Root => path,
            Uris::Absolute => format!("{base}{path}"),
            Uris::Scheme => match base.split_once(':') {
                Some((_, rest)) => format!("{rest}{path}"),
                None => path,
            },
            Uris::Query => format!("{name}?session=1&path=/a/b"),
            Uris::Signed => format!("{name}?token={token}"),
        }
    }

    /// What a text that we did not compose lists, as far as its URIs are ours.
    fn listings_of(&self, text: &str, end: u64, ask: &Ask) -> Vec<Listing> {
        let Ok((_, playlist)) = m3u8_rs::parse_media_playlist(text.as_bytes()) else { return Vec::new() };
        let mut init = String::new();
        let mut listings = Vec::new();
        for segment in &playlist.segments {
            if let Some(map) = &segment.map {
                init.clone_from(&map.uri);
            }
            let path = hls::resolve(ask.path, &segment.uri);
            let name = path.split('?').next().unwrap_or("").rsplit('/').next().unwrap_or("");
            if let Resource::Segment { msn, .. } = self.name(name, ask, end) {
                listings.push(Listing {
                    msn,
                    uri: segment.uri.clone(),
                    range: None,
                    gap: segment.unknown_tags.iter().any(|tag| tag.tag == "X-GAP"),
                    same_as: None,
                    init: init.clone(),
                    init_range: None,
                });
            }
        }
        listings
    }

    pub(super) fn multivariant(&self) -> Whole {
        let mut text = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n".to_string();
        let bandwidths = std::iter::once((MAIN_BANDWIDTH, None))
            .chain(self.scenario.variant.iter().map(|v| (v.bandwidth, v.codecs.as_deref())));
        // RFC 8216, 4.3.4.1: the variants name the group that their Renditions are of.
        let mut group = "";
        if self.scenario.audio.is_some() {
            group = ",AUDIO=\"sound\"";
            text.push_str(&format!(
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"sound\",DEFAULT=YES,AUTOSELECT=YES,URI=\"{}\"\n",
                playlist_name(AUDIO)
            ));
        }
        for (variant, (bandwidth, codecs)) in (0..).zip(bandwidths) {
            let media = self.presentation.first(variant);
            let codecs = codecs.unwrap_or(if media.has_picture() { CODECS } else { SOUND_CODECS });
            text.push_str(&format!(
                "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"{codecs}\"{group}\n{}\n",
                playlist_name(variant)
            ));
        }
        Whole {
            status: 200,
            content_type: "application/vnd.apple.mpegurl",
            body: text.clone().into_bytes().into(),
            content: Content::Multivariant { text },
            headers: Vec::new(),
        }
    }
}

/// What the stream's own variant is said to need, bits per second.
const MAIN_BANDWIDTH: u64 = 600_000;
const CODECS: &str = "avc1.4d400d,mp4a.40.2";
const SOUND_CODECS: &str = "mp4a.40.2";
