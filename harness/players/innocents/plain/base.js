// A plain, correct live player, written without a look at the one in player/. Others vary it: mutants break exactly
// one of its promises by overriding a method, innocents keep them all in another style.
//
// Two loops share a little state: `follow` reloads the playlist, `feed` downloads and appends. Times are
// milliseconds and `td` is the target duration; media times are seconds.

const now = () => performance.now();

export class Player {
  constructor(video, url) {
    this.video = video;
    this.url = url;
    this.td = 2000; // Until a playlist told it.
    this.over = new AbortController(); // Aborted when nothing is to happen any more.
    this.leaving = new AbortController(); // Aborted when nothing is to be requested any more.
    this.waiting = []; // Whoever waits for something to change.
    this.playlist = null;
    this.last = null; // The segment that was loaded last.
    this.rollbacks = 0;
    this.next = null; // Media Sequence Number of the next segment to append.
    this.map = null; // The initialization section that was appended last: {key, bytes}.
    this.appended = []; // {msn, start, end} in the buffer.
    this.refused = new Set(); // Segments that cost the MediaSource twice.
    this.skips = 0;
    this.rebuilds = [];
    this.resumesAt = null; // Where the first segment of a new MediaSource belongs.
    this.beginsRun = true; // The next segment's timestamps have nothing to do with the last one's.
    this.mode = 'segments';
  }

  get isOver() { return this.over.signal.aborted; }
  get isLeaving() { return this.leaving.signal.aborted; }

  async start() {
    this.attach();
    for (const type of ['waiting', 'pause', 'play', 'ended', 'error']) {
      this.video.addEventListener(type, () => this.heard(type), { signal: this.over.signal });
    }
    await Promise.all([this.follow(), this.feed(), this.watch()]);
  }

  stop() {
    this.close();
    this.video.removeAttribute('src');
    this.video.load();
  }

  // --- The playlist --------------------------------------------------------------------------------------

  async follow() {
    let failingSince = null;
    let failures = 0;
    while (!this.isLeaving) {
      const began = now();
      const { status, text, url } = await this.reload();
      if (this.isLeaving) return;
      let pause;
      if (text !== undefined) {
        [failingSince, failures] = [null, 0];
        const hasChanged = this.take(text, url);
        if (this.isDone()) return;
        pause = began + this.reloadPause(hasChanged) - now();
      } else if (this.isEnd(status)) {
        return this.leave('the playlist is gone');
      } else {
        failingSince ??= began;
        if (now() - failingSince > 10 * this.td) return this.fail('the playlist is lost');
        pause = this.backoff(failures++, 0.25);
      }
      this.isFailing = failingSince !== null;
      await this.sleep(pause);
    }
  }

  /** No reload would bring anything. */
  isDone() { return !!this.playlist?.isEnded; }

  /** A missing playlist ends the session. */
  isEnd(status) { return status === 404 || status === 410; }

  /** From begin to begin (RFC 8216, 6.3.4). */
  reloadPause(hasChanged) { return hasChanged ? this.td : this.td / 2; }

  async reload(url = this.url, isVariant = false) {
    const answer = await this.get(url);
    if (!answer.body) return { status: answer.status };
    const text = new TextDecoder().decode(answer.body);
    const variant = /^#EXT-X-STREAM-INF:.*\s+([^#\s]+)/m.exec(text);
    if (variant && !isVariant) {
      const ofVariant = new URL(variant[1], answer.url).href;
      const media = await this.reload(ofVariant, true);
      if (media.text) this.url = ofVariant;
      return media;
    }
    return /^#EXTM3U[^]*#EXT-X-TARGETDURATION/.test(text) ? { text, url: this.base(answer.url) } : { status: 0 };
  }

  /** What URIs in a playlist are relative to (RFC 8216, 4.1; RFC 3986, 5.1.3): where it came from in the end. */
  base(url) { return url; }

  /** Takes a playlist over and tells whether it is another one than the last. */
  take(text, url) {
    const hasChanged = text !== this.text;
    this.text = text;
    const playlist = this.parse(text, url);
    this.td = playlist.td;
    if (playlist.segments.length === 0) return hasChanged;
    if (this.playlist && playlist.end < this.playlist.end) {
      // An old one from a cache, or a new stream under the old name?
      this.rollbacks += 1;
      const isFar = playlist.end + 16 < this.playlist.first;
      const isOther = playlist.segments.at(-1).map?.key !== this.playlist.segments.at(-1).map?.key;
      if (this.rollbacks < 3 && !isFar && !isOther) return hasChanged;
      this.next = null;
      this.last = null;
      if (this.map) this.map.key = null; // Other bytes may be behind its URI.
      this.beginsRun = true;
    }
    this.rollbacks = 0;
    this.playlist = playlist;
    this.realign(playlist);
    this.next ??= this.joinAt(playlist);
    this.changed();
    return hasChanged;
  }

  /** Entries that come or go in the middle renumber those behind: the one loaded last tells by how much. */
  realign({ segments }) {
    if (!this.last) return;
    const same = segments.filter(({ url, range }) => url === this.last.url && range?.start === this.last.range?.start);
    if (same.length === 0) return;
    const away = ({ msn }) => Math.abs(msn - this.last.msn);
    const found = same.reduce((a, b) => (away(b) < away(a) ? b : a));
    this.next += found.msn - this.last.msn;
    this.last = found;
  }

  parse(text, base) {
    const tag = (name) => new RegExp(`^#${name}:(.*?)\\s*$`, 'm').exec(text)?.[1];
    const segments = [];
    // Numbers go up to 2^64 (RFC 8216, 4.2); those that are beyond a double are counted from the first one seen.
    const sequence = BigInt(tag('EXT-X-MEDIA-SEQUENCE') ?? 0);
    this.zero ??= sequence > Number.MAX_SAFE_INTEGER / 2 ? sequence : 0n;
    const first = Number(sequence - this.zero);
    let map = null;
    let at = 0; // Where the last byte range ended.
    let entry = {};
    for (const line of text.split('\n').map((l) => l.trim())) {
      const [, name, value] = /^#([^:]*):?(.*)$/.exec(line) ?? [];
      if (name === 'EXTINF') entry.duration = parseFloat(value) * 1000;
      else if (name === 'EXT-X-GAP') entry.isGap = true;
      else if (name === 'EXT-X-DISCONTINUITY') entry.isDiscontinuity = true;
      else if (name === 'EXT-X-BYTERANGE') entry.bytes = value;
      else if (name === 'EXT-X-MAP') {
        const [, uri] = /URI="(.*?)"/.exec(value);
        const [length, start] = (/BYTERANGE="(.*?)"/.exec(value)?.[1] ?? '').split('@').map(Number);
        map = { url: new URL(uri, base).href, range: length ? { start: start || 0, length } : null, key: value };
        entry.statesMap = true;
      } else if (line && name === undefined) {
        let range = null;
        if (entry.bytes) {
          const [length, start = at] = entry.bytes.split('@').map(Number);
          range = { start, length };
          at = start + length;
        }
        segments.push({ ...entry, msn: first + segments.length, url: new URL(line, base).href, range, map });
        entry = {};
      }
    }
    return {
      td: Math.min(Number(tag('EXT-X-TARGETDURATION')), 60) * 1000,
      segments, first, end: first + segments.length, isEnded: /^#EXT-X-ENDLIST\s*$/m.test(text),
    };
  }

  /** As far from the end as the app wants, else three target durations (RFC 8216, 6.3.3). */
  joinAt({ segments, isEnded }) {
    if (isEnded) return segments[0].msn;
    const delay = Number(new URLSearchParams(location.search).get('live_delay')) * 1000 || 3 * this.td;
    let fromEnd = 0;
    for (const segment of [...segments].reverse()) {
      fromEnd += segment.duration;
      if (fromEnd >= delay) return segment.msn;
    }
    return segments[0].msn;
  }

  // --- Init and segments ---------------------------------------------------------------------------------

  async feed() {
    while (!this.isOver) {
      if (this.isBroken) await this.rebuild();
      const segment = this.isLeaving ? null : this.pick();
      if (this.isOver) return;
      if (segment && this.ahead() < 60) await this.load(segment);
      else {
        if (!segment && (this.isLeaving || this.playlist?.isEnded)) this.endOfStream();
        await this.change();
      }
    }
  }

  /** The next segment that is there to be had. */
  pick() {
    const isNext = (segment) => segment.msn >= this.next && !segment.isGap && !this.refused.has(segment.msn);
    return this.playlist?.segments.find(isNext);
  }

  async load(segment) {
    if (this.needsInit(segment) && !(await this.loadInit(segment))) return;
    this.last = segment;
    const bytes = await this.download(segment);
    if (this.isStale(segment)) return;
    if (!bytes) return this.skip(segment);
    await this.appendSegment(segment, bytes);
  }

  /** While it was downloaded, the list has been replaced or the MediaSource was lost. */
  isStale(segment) { return this.isOver || this.isLeaving || this.isBroken || !(segment.msn >= this.next); }

  needsInit({ map, isDiscontinuity, statesMap }) {
    // A discontinuity that states its EXT-X-MAP anew may have other bytes under the same name.
    return this.map === null || this.map.key !== map?.key || (isDiscontinuity && statesMap);
  }

  /** Gets the initialization section of a segment and appends it, if it is not the one in force. */
  async loadInit(segment) {
    if (!segment.map) return this.fail('no EXT-X-MAP');
    for (let failures = 0; ; failures++) {
      const { body } = await this.get(segment.map.url, segment.map.range, isInit);
      if (this.isStale(segment)) return false;
      if (body) {
        const isSame = this.buffer && this.map && equal(this.map.bytes, body);
        this.map = { key: segment.map.key, bytes: body };
        return isSame || this.appendInit(body);
      }
      if (!this.isFailing && failures >= 8) return this.fail('the init is lost');
      await this.sleep(this.backoff(failures, 0.1));
    }
  }

  async appendInit(bytes) {
    await this.opened;
    if (!this.buffer) {
      this.buffer = this.addBuffer(bytes);
      this.buffer.mode = this.mode;
    } else if (type(bytes) !== this.type) this.buffer.changeType(type(bytes));
    this.type = type(bytes);
    return this.append(bytes);
  }

  addBuffer(init) { return this.source.addSourceBuffer(type(init)); }

  /** The whole body of a segment, or null if it can't be had. */
  async download(segment) {
    for (let failures = 0; ; failures++) {
      const began = now();
      const { body, status } = await this.get(segment.url, segment.range, isMedia, this.isSlow ? 2.75 : 1.5);
      this.isSlow = now() - began > 1.4 * this.td;
      if (body || this.isStale(segment)) return body ?? null;
      const isAbsent = status >= 400 && status < 500 && status !== 408 && status !== 429;
      const isOffline = status === 0 && this.isFailing;
      if (failures + 1 >= (isAbsent ? 4 : this.isSlow ? 2 : 6) && !isOffline) return null;
      await this.sleep(this.backoff(failures, 0.1));
      if (!this.playlist.segments.some((listed) => listed.msn === segment.msn)) return null;
    }
  }

  /** Gives a segment up. */
  skip(segment) {
    this.next = segment.msn + 1;
    this.beginsRun = true;
    this.report(false, 'a segment was skipped');
    this.skips += 1;
    if (this.skips >= 10) this.fail('the segments are lost');
  }

  /** Appends a segment and makes sure that it is where it belongs: behind the last one. */
  async appendSegment(segment, bytes) {
    this.beginsRun ||= !!segment.isDiscontinuity || (this.appended.length > 0 && segment.msn !== this.next);
    const before = this.end();
    this.appending = segment.msn;
    if (!(await this.appendMedia(bytes, segment))) return;
    if (!this.beginsRun && this.end() < before + 0.02) {
      // Its timestamps are elsewhere: once more, as a run of its own.
      this.buffer.abort();
      this.beginsRun = true;
      if (!(await this.appendMedia(bytes, segment))) return;
    }
    this.appending = null;
    // Behind one that added nothing even so there would be a hole.
    this.beginsRun = this.end() < before + 0.02;
    this.skips = 0;
    this.appended.push({ msn: segment.msn, start: this.resumesAt ?? before, end: this.end() });
    this.next = segment.msn + 1;
    this.resumesAt = null;
  }

  /** A segment is appended once; a run begins where the buffer ends. */
  async appendMedia(bytes) {
    await this.evict(40, 30);
    const resumes = this.resumesAt !== null;
    if (resumes || (this.beginsRun && this.mode === 'segments')) {
      this.buffer.mode = 'sequence';
      this.buffer.timestampOffset = resumes ? this.resumesAt : this.end();
    } else if (this.buffer.mode !== this.mode) this.buffer.mode = this.mode;
    return this.append(bytes);
  }

  /** Whether the SourceBuffer took it. */
  async append(bytes) {
    while (!this.isOver && !this.isBroken) {
      try {
        this.buffer.appendBuffer(bytes);
      } catch (error) {
        if (error.name !== 'QuotaExceededError') return this.broken();
        await this.evict(2, 2);
        await this.sleep(this.td / 2);
        continue;
      }
      return this.settled();
    }
    return false;
  }

  /** Waits for `updateend`. */
  async settled() {
    const { buffer, source } = this;
    const deadline = now() + 1.5 * this.td;
    const isIdle = () => !buffer.updating || source.readyState !== 'open' || this.isBroken || this.isOver;
    buffer.addEventListener('updateend', () => this.changed(), { once: true });
    while (!isIdle()) {
      if (now() > deadline) return this.broken();
      await this.change();
    }
    // What the engine refuses ends the MediaSource.
    if (source.readyState !== 'open' || this.video.error) return this.broken();
    return !this.isBroken && !this.isOver;
  }

  /** Removes what is far behind the playhead. */
  async evict(above, kept) {
    const start = this.buffer.buffered.length ? this.buffer.buffered.start(0) : Infinity;
    const { currentTime } = this.video;
    if (currentTime - start <= above) return;
    this.buffer.remove(0, currentTime - kept);
    await this.settled();
  }

  // --- The media element ---------------------------------------------------------------------------------

  attach() {
    const source = new MediaSource();
    this.source = source;
    this.buffer = null;
    this.type = null;
    this.opened = new Promise((resolve) => source.addEventListener('sourceopen', resolve, { once: true }));
    this.video.src = URL.createObjectURL(source);
    if (!this.isPaused) this.video.play().catch(() => {});
  }

  heard(type) {
    if (type === 'pause') this.isPaused = !this.video.error && !this.video.ended;
    if (type === 'play') this.isPaused = false;
    if (type === 'ended' && (this.isLeaving || this.playlist?.isEnded)) this.close();
    if (type === 'error' && this.video.error) this.broken();
    this.changed();
  }

  /** A playhead before a hole goes across. */
  async watch() {
    while (!this.isOver) {
      const { video } = this;
      if (video.readyState < 3 && this.ahead() <= 0.5) {
        const starts = Array.from({ length: video.buffered.length }, (_, i) => video.buffered.start(i));
        const next = starts.find((start) => start > video.currentTime);
        if (next !== undefined) video.currentTime = next + 0.01;
      }
      await this.sleep(this.td / 4);
      this.changed();
    }
  }

  /** The MediaSource is lost; `feed` makes another one. */
  broken() {
    this.isBroken = true;
    this.changed();
    return false;
  }

  async rebuild() {
    this.rebuilds = this.rebuilds.filter((at) => now() - at < 10 * this.td).concat(now());
    if (this.rebuilds.length > 4 || this.isLeaving) return this.fail('media error');
    this.report(false, 'media error');
    // In the new one the picture goes on where it was in the old one.
    const { currentTime } = this.video;
    const shown = this.appended.find(({ end }) => end > currentTime);
    if (shown) this.next = shown.msn;
    this.resumesAt = shown?.start ?? currentTime;
    // Decoders find out late: it is the one that failed, or the one next to the screen.
    const suspect = this.appending ?? this.next;
    if (suspect === this.suspect || this.refused.has(suspect - 1)) this.refused.add(suspect);
    this.suspect = suspect;
    this.appending = null;
    this.appended = [];
    this.map = null;
    this.beginsRun = true;
    this.isBroken = false;
    this.attach();
    const { source, video } = this;
    await this.opened;
    // No seek leads to where nothing is seekable (HTML, seeking), and Chromium forgets one before the metadata.
    source.setLiveSeekableRange(0, currentTime + 1);
    const resume = () => {
      video.currentTime = currentTime;
      source.clearLiveSeekableRange();
    };
    video.addEventListener('loadedmetadata', resume, { once: true, signal: this.over.signal });
  }

  /** The end of what is buffered, or where the playhead is. */
  end() {
    const buffered = this.buffer?.buffered;
    return buffered?.length ? buffered.end(buffered.length - 1) : this.video.currentTime;
  }

  /** How long the playhead could go on. */
  ahead() {
    const { buffered, currentTime } = this.video;
    for (let i = 0; i < buffered.length; i++) {
      if (buffered.start(i) <= currentTime && currentTime < buffered.end(i)) return buffered.end(i) - currentTime;
    }
    return 0;
  }

  // --- The end -------------------------------------------------------------------------------------------

  /** No request any more; what is buffered plays out. */
  leave(why) {
    if (this.appended.length === 0) return this.fail(why);
    this.leaving.abort();
    this.changed();
  }

  endOfStream() {
    if (this.source.readyState === 'open' && this.buffer && !this.buffer.updating) this.source.endOfStream();
  }

  fail(message) {
    if (this.isOver) return false;
    this.report(true, message);
    this.endOfStream();
    this.close();
    return false;
  }

  close() {
    this.leaving.abort();
    this.over.abort();
    this.changed();
  }

  report(fatal, message) {
    dispatchEvent(new CustomEvent('segproof-error', { detail: { fatal, message } }));
  }

  // --- Network and time ----------------------------------------------------------------------------------

  /** One request: {body, url} of a whole, good answer, or {status}, which is 0 if there was none. */
  async get(url, range = null, isRight = () => true, timeout = 1.5) {
    const headers = range ? { Range: `bytes=${range.start}-${range.start + range.length - 1}` } : {};
    try {
      const late = AbortSignal.timeout(timeout * this.td);
      const signal = AbortSignal.any([late, this.leaving.signal]);
      const response = await this.fetch(url, { headers, signal, cache: 'no-store' });
      if (!response.ok) {
        response.body?.cancel();
        return { status: response.status };
      }
      let body = await response.arrayBuffer();
      const declared = response.headers.get('content-encoding') ? 0 : response.headers.get('content-length');
      // What a server that ignores the range sends is everything.
      if (range && response.status === 200) body = body.slice(range.start, range.start + range.length);
      else if (declared > body.byteLength * 1.001 + 64) return { status: 0 };
      return isRight(body) ? { body, url: response.url } : { status: 0 };
    } catch {
      return { status: 0 };
    }
  }

  fetch(url, options) { return fetch(url, options); }

  backoff(failures, first) { return Math.min(first * 2 ** failures, 1) * this.td; }

  sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, ms));
      this.over.signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
    });
  }

  /** Resolved when something has changed. */
  change() { return new Promise((resolve) => this.waiting.push(resolve)); }

  changed() { this.waiting.splice(0).forEach((resolve) => resolve()); }
}

// --- Boxes ---------------------------------------------------------------------------------------------------

/** The types of the top-level boxes, or none if they don't fill the body. */
export function boxes(body) {
  const view = new DataView(body);
  const found = [];
  let at = 0;
  while (at + 8 <= body.byteLength) {
    let size = view.getUint32(at);
    if (size === 1 && at + 16 <= body.byteLength) size = Number(view.getBigUint64(at + 8));
    if (size < 8) return [];
    found.push(String.fromCharCode(...new Uint8Array(body, at + 4, 4)));
    at += size;
  }
  return at === body.byteLength ? found : [];
}

const isInit = (body) => boxes(body).includes('moov');
const isMedia = (body) => ['moof', 'mdat'].every((type) => boxes(body).includes(type));

/** The MIME type of an initialization segment, by the sample entries in it. */
export function type(init) {
  const text = new TextDecoder('latin1').decode(init);
  const hex = (char) => char.charCodeAt(0).toString(16).padStart(2, '0');
  const avc = text.indexOf('avcC');
  const codecs = [];
  if (avc >= 0) codecs.push(`avc1.${[...text.slice(avc + 5, avc + 8)].map(hex).join('')}`);
  if (text.includes('mp4a')) codecs.push('mp4a.40.2');
  return `video/mp4; codecs="${codecs.join(', ')}"`;
}

function equal(a, b) {
  const [left, right] = [new Uint8Array(a), new Uint8Array(b)];
  return left.length === right.length && left.every((byte, i) => byte === right[i]);
}

/** Puts a class of players in charge of the page. */
export function run(PlayerClass) {
  const video = document.querySelector('video');
  let player;
  window.segproof = {
    start(url) {
      player?.stop();
      player = new PlayerClass(video, url);
      player.start();
    },
    stop() { player?.stop(); },
  };
  const url = new URLSearchParams(location.search).get('src');
  if (url) window.segproof.start(url);
}
