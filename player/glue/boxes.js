// What has to be known of ISO/IEC 14496-12. A regular expression finds a box in the hexadecimal digits of a body as well as a
// walk would, and takes less room; what looks like a box's name in other boxes' bodies is improbable.

// How far apart the tracks of one segment may begin, in seconds.
const APART_S_MAX = 60;

const digits = (body) => Array.from(new Uint8Array(body), (byte) => (byte + 256).toString(16).slice(1)).join('');

// Whether a body is made of whole boxes, and some of them are of these kinds; fails if the last one is cut.
export const consistsOf = (kinds, body) => {
  const view = new DataView(body);
  let found = '', at = 0;
  while (at != body.byteLength) {
    found += digits(body.slice(at + 4, at + 8));
    // A size of one announces another of eight bytes; a zero cannot be left behind.
    at += view.getUint32(view.getUint32(at) == 1 ? at + 12 : at) || 1 / 0;
  }
  return kinds.test(found);
};

// The tracks of an init: the id and the timescale, which follow two dates in tkhd and mdhd, and the codec in the form that
// addSourceBuffer wants (RFC 6381 and the codecs' own registrations). A sample entry without a rule here is told by its four
// characters alone, so that the browser decides. What has neither vmhd nor smhd is none to name: timecodes, say, which no browser
// plays and each passes over. It is behind the others, as ffmpeg has it; in front, its id would be taken for the next one's.
export const tracks = (init) =>
  Array.from(digits(init).matchAll(
    /746b6864(?:00.{22}|01.{38})(.{8}).*?6d646864(?:00.{22}|01.{38})(.{8}).*?7[36]6d6864.*?73747364.{24}(.{8})(.*?)(?=746b6864|$)/g,
  ), ([, id, timescale, name, boxes]) => {
    let found;
    const find = (pattern) => (found = pattern.exec(boxes));
    const number = (index) => parseInt(found[index], 16);
    const two = (number) => (number < 10 ? '.0' : '.') + number;
    // Browsers know `opus` and `flac` in lower case only; the others are in lower case already. Any four bytes have a name.
    name = unescape(name.replace(/../g, '%$&')).toLowerCase();
    // avcC: profile, constraints, level.
    if (find(/61766343..(.{6})/)) name += '.' + found[1];
    // esds: in an ES_Descriptor a DecoderConfigDescriptor, in that a DecoderSpecificInfo with five bits of audio object type,
    // of which 31 announces six more. A length is written in bytes of seven bits.
    else if (find(/65736473.{8}03([89a-f].)*.{8}04([89a-f].)*..(..).{24}(05([89a-f].)*..(....))?/)) {
      name += '.' + found[3];
      if (found[3] == 40) name += '.' + (number(6) < 0xf800 ? number(6) >> 11 : 32 + ((number(6) >> 5) & 63));
    }
    // hvcC: profile, compatibility flags in reverse bit order, tier and level, constraint bytes without trailing zeros
    // (ISO/IEC 14496-15, annex E).
    else if (find(/68766343..(..)(.{8})(.{12})(..)/)) {
      const flags = parseInt([...number(2).toString(2).padStart(32, 0)].reverse().join(''), 2);
      name +=
        '.' + ('ABC'[(number(1) >> 6) - 1] ?? '') + (number(1) & 31) + '.' + flags.toString(16) +
        (number(1) & 32 ? '.H' : '.L') + number(4) + found[3].replace(/(00)+$/, '').replace(/../g, '.$&');
    }
    // av1C: profile, level, tier, bit depth.
    else if (find(/61763143..(..)(..)/))
      name +=
        '.' + (number(1) >> 5) + two(number(1) & 31) + (number(2) & 128 ? 'H' : 'M') +
        two(8 + ((number(2) >> 5) & 2) + ((number(2) >> 4) & 2));
    // vpcC: profile, level, bit depth.
    else if (find(/76706343.{8}(..)(..)(.)/)) name += two(number(1)) + two(number(2)) + two(number(3));
    return [id, timescale, name];
  });

// When the track fragment of a segment that begins first is decoded by its own clock, in seconds; infinity if that cannot be read.
// A track that is farther behind it than anything lost explains has a clock of 32 bits that is still to wrap, where the other one
// has wrapped: it is put where that one is.
export const decodeTime = (init, segment, first = 1 / 0) => {
  digits(segment.slice(0, 1e4)).replace(
    /74666864.{8}(.{8}).*?74666474(00.{6}|01.{14})(.{8})/g, (all, track, head, low, at) => {
      const scale = parseInt(tracks(init).find(([id]) => id == track)?.[1], 16);
      const time = parseInt(head.slice(8) + low, 16) / scale;
      // Once more, with that as what is first.
      if (first > time) first = decodeTime(init, segment, time);
      else if (time > first + APART_S_MAX) new DataView(segment).setUint32((all.length + at - 8) / 2, first * scale);
    },
  );
  return first;
};
