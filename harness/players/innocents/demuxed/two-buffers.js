// Two SourceBuffers that look like one: what is appended is parted into its tracks.

import { type } from './base.js';

export class TwoBuffers {
  constructor(source, init) {
    this.tracks = tracksOf(init);
    this.buffers = this.tracks.map((track) => source.addSourceBuffer(type(only(init, track))));
    this.startsAt = null;
  }

  get updating() { return this.buffers.some((buffer) => buffer.updating); }

  /** Where all of them have something. */
  get buffered() {
    const all = this.buffers.map(({ buffered }) =>
      Array.from({ length: buffered.length }, (_, i) => [buffered.start(i), buffered.end(i)]));
    const common = all.reduce((some, others) => some.flatMap(([start, end]) => others
      .map(([from, to]) => [Math.max(start, from), Math.min(end, to)]).filter(([from, to]) => from < to)));
    return { length: common.length, start: (i) => common[i][0], end: (i) => common[i][1] };
  }

  get mode() { return this.startsAt === null ? 'segments' : 'sequence'; }

  set mode(mode) { this.startsAt = mode === 'sequence' ? 0 : null; }

  /** Where what is appended next begins: one shift for both, or picture and sound would come apart. */
  set timestampOffset(seconds) { this.startsAt = seconds; }

  appendBuffer(bytes) {
    if (boxes(bytes).some(({ type: name }) => name === 'moov')) this.tracks = tracksOf(bytes);
    else if (this.startsAt !== null) {
      this.shift(this.startsAt - startOf(bytes, this.tracks));
      this.startsAt = null;
    }
    this.buffers.forEach((buffer, i) => buffer.appendBuffer(only(bytes, this.tracks[i])));
  }

  shift(offset) {
    for (const buffer of this.buffers) buffer.timestampOffset = offset;
  }

  changeType(mime) {
    const codecs = /"(.*)"/.exec(mime)[1].split(', ');
    this.buffers.forEach((buffer, i) => buffer.changeType(`video/mp4; codecs="${codecs[i]}"`));
  }

  remove(start, end) { this.buffers.forEach((buffer) => buffer.remove(start, end)); }

  abort() { this.buffers.forEach((buffer) => buffer.abort()); }

  addEventListener(name, listener) {
    this.buffers.forEach((buffer) => buffer.addEventListener(name, () => this.updating || listener(), { once: true }));
  }
}

function boxes(bytes, at = 0, end = bytes.byteLength) {
  const view = new DataView(bytes);
  const found = [];
  while (at + 8 <= end) {
    const size = view.getUint32(at) === 1 ? Number(view.getBigUint64(at + 8)) : view.getUint32(at);
    if (size < 8) break;
    found.push({ type: String.fromCharCode(...new Uint8Array(bytes, at + 4, 4)), at, end: at + size });
    at += size;
  }
  return found;
}

const inside = (bytes, { at, end }) => boxes(bytes, at + 8, end);

/** What is in the first box of each of these types, one in the other. */
function find(bytes, path, start, end) {
  return path.reduce((around, name) => {
    const found = boxes(bytes, around.at, around.end).find((box) => box.type === name);
    return { at: found.at + 8, end: found.end };
  }, { at: start, end });
}

/** {id, timescale} of each track in an initialization segment. */
function tracksOf(init) {
  const view = new DataView(init);
  const moov = boxes(init).find(({ type: name }) => name === 'moov');
  return inside(init, moov).filter(({ type: name }) => name === 'trak').map((trak) => {
    const tkhd = find(init, ['tkhd'], trak.at + 8, trak.end).at;
    const mdhd = find(init, ['mdia', 'mdhd'], trak.at + 8, trak.end).at;
    const wide = (at) => view.getUint8(at) === 1;
    return {
      id: view.getUint32(tkhd + (wide(tkhd) ? 20 : 12)),
      timescale: view.getUint32(mdhd + (wide(mdhd) ? 20 : 12)),
    };
  });
}

const trackOf = (bytes, { at }) => new DataView(bytes).getUint32(at + 12);

/** The earliest decode time of a segment, in seconds. */
function startOf(bytes, tracks) {
  const view = new DataView(bytes);
  const moof = boxes(bytes).find(({ type: name }) => name === 'moof');
  return Math.min(...inside(bytes, moof).filter(({ type: name }) => name === 'traf').map((traf) => {
    const [tfhd, tfdt] = ['tfhd', 'tfdt'].map((name) => inside(bytes, traf).find((box) => box.type === name));
    const { timescale } = tracks.find(({ id }) => id === trackOf(bytes, tfhd));
    const time = view.getUint8(tfdt.at + 8) === 1 ? Number(view.getBigUint64(tfdt.at + 12)) : view.getUint32(tfdt.at + 12);
    return time / timescale;
  }));
}

/** What is left of bytes when all other tracks are taken out. */
function only(bytes, track) {
  const isOther = (box) => {
    if (box.type === 'trak') return new DataView(bytes).getUint32(idAt(bytes, box)) !== track.id;
    if (box.type === 'traf') return trackOf(bytes, inside(bytes, box).find(({ type: name }) => name === 'tfhd')) !== track.id;
    return box.type === 'trex' && trackOf(bytes, box) !== track.id;
  };
  const copy = (box) => {
    if (!['moov', 'mvex', 'moof'].includes(box.type)) return new Uint8Array(bytes.slice(box.at, box.end));
    const kept = inside(bytes, box).filter((each) => !isOther(each)).map(copy);
    const size = kept.reduce((sum, each) => sum + each.length, 8);
    const whole = new Uint8Array(size);
    whole.set(new Uint8Array(bytes, box.at, 8));
    new DataView(whole.buffer).setUint32(0, size);
    let at = 8;
    for (const each of kept) {
      whole.set(each, at);
      at += each.length;
    }
    if (box.type === 'moof') moveData(whole.buffer, box.end - box.at - size);
    return whole;
  };
  const parts = boxes(bytes).map(copy);
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all.buffer;
}

function idAt(bytes, trak) {
  const { at } = find(bytes, ['tkhd'], trak.at + 8, trak.end);
  return at + (new DataView(bytes).getUint8(at) === 1 ? 20 : 12);
}

/** Data offsets count from the moof's beginning, which has become nearer to them. */
function moveData(moof, by) {
  const view = new DataView(moof);
  const trafs = boxes(moof, 8).filter(({ type: name }) => name === 'traf');
  for (const trun of trafs.flatMap((traf) => inside(moof, traf)).filter(({ type: name }) => name === 'trun')) {
    const hasOffset = view.getUint32(trun.at + 8) & 1;
    if (hasOffset) view.setInt32(trun.at + 16, view.getInt32(trun.at + 16) - by);
  }
}
