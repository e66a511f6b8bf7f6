//! The documented packaging command, the one place that knows its options, and a live packager that runs it.
//!
//! SegmentationStreaming documents one ffmpeg command that turns a source into a live window of fMP4
//! segments. It is used in two forms here: over a whole file with every segment kept, and live, reading
//! a source from a pipe in real time and deleting what left the window. Nothing here encodes.

mod ffmpeg;
mod live;

pub use ffmpeg::{FfmpegError, run, version_line};
pub use live::{LivePackager, STOP_LIMIT};

/// Arguments that package the file `source` at once, keeping and listing every segment. `hls_time` is in
/// seconds, and a fraction of one only where there is no picture whose key frames decide.
///
/// Names are relative to ffmpeg's working folder: `KEY.m3u8`, `KEY.mp4` and `KEY0.m4s`, `KEY1.m4s`, ...
pub fn package_args(source: &str, key: &str, hls_time: f64) -> Vec<String> {
    let mut args = strings(&["-i", source]);
    args.extend(documented_args(key, hls_time, 0, &[]));
    args
}

/// Arguments of the live form: the source from standard input in real time, `list_size` segments listed, older
/// ones deleted. ffmpeg still keeps one segment that it no longer lists.
pub fn live_args(key: &str, hls_time: u32, list_size: u32) -> Vec<String> {
    let mut args = strings(&["-re", "-i", "pipe:0"]);
    args.extend(documented_args(key, hls_time.into(), list_size, &["-hls_flags", "delete_segments"]));
    args
}

/// What both forms share, in the order in which it is documented.
///
/// `aac_adtstoasc` is not part of the documented command. MPEG-TS carries AAC as ADTS, fMP4 does not, and
/// ffmpeg's segmenter (seen with 5.1) stops with "Malformed AAC bitstream detected" where its plain mp4
/// muxer would have inserted the filter by itself. AAC that is not ADTS it leaves alone.
fn documented_args(key: &str, hls_time: f64, list_size: u32, flags: &[&str]) -> Vec<String> {
    let mut args = strings(&["-c", "copy", "-bsf:a", "aac_adtstoasc", "-flags", "-global_header"]);
    args.extend(strings(&["-hls_time", &hls_time.to_string(), "-hls_list_size", &list_size.to_string()]));
    args.extend(strings(&["-master_pl_publish_rate", "1"]));
    args.extend(strings(flags));
    args.extend(strings(&["-hls_segment_type", "fmp4", "-hls_segment_filename", &format!("{key}%d.m4s")]));
    args.extend(strings(&["-hls_fmp4_init_filename", &format!("{key}.mp4"), &format!("{key}.m3u8")]));
    args
}

fn strings(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| arg.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documented command, with its own numbers, must come out word for word but for input and filter.
    #[test]
    fn the_live_form_is_the_documented_command() {
        assert_eq!(
            live_args("KEY", 4, 5).join(" "),
            "-re -i pipe:0 -c copy -bsf:a aac_adtstoasc -flags -global_header -hls_time 4 -hls_list_size 5 \
             -master_pl_publish_rate 1 -hls_flags delete_segments -hls_segment_type fmp4 \
             -hls_segment_filename KEY%d.m4s -hls_fmp4_init_filename KEY.mp4 KEY.m3u8"
        );
    }

    #[test]
    fn packaging_a_file_deletes_nothing() {
        let args = package_args("source.ts", "KEY", 2.0);
        assert!(!args.iter().any(|arg| arg == "delete_segments"));
        let list_size = args.iter().position(|arg| arg == "-hls_list_size").unwrap() + 1;
        assert_eq!(args[list_size], "0");
    }
}
