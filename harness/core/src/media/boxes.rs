//! ISO BMFF boxes as ranges of bytes, for what must stay as it is to the byte.

use std::ops::Range;

use mp4_atom::{Decode, Header};

use super::MediaError;

/// The boxes of `bytes`, with their whole ranges; stops at the first that is not complete.
pub(super) fn boxes(bytes: &[u8]) -> Vec<([u8; 4], Range<usize>)> {
    boxes_in(bytes, 0..bytes.len())
}

/// The boxes inside the box at `parent`.
pub(super) fn children(bytes: &[u8], parent: &Range<usize>) -> Vec<([u8; 4], Range<usize>)> {
    boxes_in(bytes, payload(bytes, parent))
}

/// The boxes of one part of `bytes`.
pub(super) fn boxes_in(bytes: &[u8], inside: Range<usize>) -> Vec<([u8; 4], Range<usize>)> {
    let (mut at, end) = (inside.start, inside.end);
    let mut found = Vec::new();
    while at + 8 <= end {
        let mut rest = &bytes[at..end];
        let before = rest.len();
        let Ok(header) = Header::decode(&mut rest) else { break };
        let head = before - rest.len();
        let size = header.size.map_or(end - at, |size| size.saturating_add(head));
        if size > end - at {
            break;
        }
        found.push((*header.kind.as_ref(), at..at + size));
        at += size;
    }
    found
}

/// What is in the box at `range`, without its header.
pub(super) fn payload(bytes: &[u8], range: &Range<usize>) -> Range<usize> {
    let long = bytes[range.start..range.start + 4] == [0, 0, 0, 1];
    range.start + if long { 16 } else { 8 }..range.end
}

/// The first box of this kind among the top-level ones.
pub(super) fn find(bytes: &[u8], kind: &[u8; 4]) -> Option<Range<usize>> {
    boxes(bytes).into_iter().find(|(k, _)| k == kind).map(|(_, range)| range)
}

/// The bytes at `at`, if there are so many.
pub(super) fn word<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], MediaError> {
    bytes.get(at..at + N).and_then(|b| b.try_into().ok()).ok_or(MediaError::Boxes)
}

/// A box of this kind around `payload`.
pub(super) fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len() + 8).expect("media of a suite is below 4 GiB");
    [&size.to_be_bytes(), kind.as_slice(), payload].concat()
}

/// What a box is replaced by.
pub(super) type BoxEdit<'a> = dyn FnMut(&[u8]) -> Result<Vec<u8>, MediaError> + 'a;

/// `bytes` with each box at `path` replaced by what `edit` makes of it (nothing removes it) and the sizes of
/// the boxes around it made right.
pub(super) fn rewrite(
    bytes: &[u8],
    path: &[&[u8; 4]],
    edit: &mut BoxEdit<'_>,
) -> Result<Vec<u8>, MediaError> {
    let (mut rewritten, mut end) = (Vec::with_capacity(bytes.len()), 0);
    for (kind, range) in boxes(bytes) {
        end = range.end;
        match path {
            [last] if kind == **last => rewritten.extend(edit(&bytes[range])?),
            [first, rest @ ..] if kind == **first => {
                let inner = rewrite(&bytes[payload(bytes, &range)], rest, edit)?;
                rewritten.extend(boxed(&kind, &inner));
            }
            _ => rewritten.extend(&bytes[range]),
        }
    }
    rewritten.extend(&bytes[end..]);
    Ok(rewritten)
}
