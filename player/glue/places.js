// What a request is for that the core has found a place of the playlist for: [URI as listed, offset, length], in bytes; a
// length of zero stands for the whole resource. For an init that is where the attributes of EXT-X-MAP begin, for a segment
// where its URI does.
export const found = (text, place, isInit) => {
  const [line] = /.*/.exec(text.slice(place));
  let offset = 0, length = 0;
  // A range without an offset begins where the one before ended (RFC 8216, section 4.3.2.2).
  for (const [, count, , at] of isInit
    ? line.matchAll(/BYTERANGE="(\d+)(@(\d+))?/g)
    : text.slice(0, place).matchAll(/^(?:#EXT-X-BYTERANGE:(\d+)(@(\d+))?|[^#\s])/gm)) {
    offset = +(at ?? offset + length);
    length = +(count ?? 0);
  }
  return [isInit ? /(?:^|,) *URI="(.*?)"/.exec(line)?.[1] : line, offset, length];
};
