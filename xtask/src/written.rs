//! A part of a page that a command writes, between two marks; what is around it is somebody's own.

/// The page with another part; none if it has not both marks.
pub fn between([begin, end]: [&str; 2], page: &str, part: &str) -> Option<String> {
    let (before, rest) = page.split_once(begin)?;
    let (_, after) = rest.split_once(end)?;
    Some([before, begin, "\n\n", part, "\n", end, after].concat())
}
