// The eye: records what the page does with the network, MSE and the picture, and changes none of it.
//
// It runs before the page's first own script and keeps the native functions, because a player may replace them
// and the warp script (warp.js) does. Entries are numbered densely and sent with each heartbeat over a WebSocket
// to the control listener. Times are the page's native performance.now(), in milliseconds.
(() => {
  'use strict';
  const now = performance.now.bind(performance);
  const every = setInterval.bind(window);
  const HEARTBEAT_MS = 50;

  // --- The log -------------------------------------------------------------------------------------------
  let n = 0;
  let pending = [];
  const log = (kind, fields) => pending.push({ n: n++, at_ms: now(), kind, ...fields });

  // elsewhere.js has opened it in a page that is not served by us.
  const socket = window.__segproofSocket || new WebSocket(`ws://${location.host}/probe`);
  delete window.__segproofSocket;
  const send = socket.send.bind(socket);
  let isOpen = false;
  socket.onopen = () => { isOpen = true; };
  // What conditions.js makes of a command; nobody sends one to a page without it.
  let obey = () => {};
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (typeof message === 'number') send(JSON.stringify({ pong: message, at_ms: now() }));
    else obey(message);
  };
  const flush = (beat) => {
    if (!isOpen || socket.readyState !== 1) return;
    send(JSON.stringify({ entries: pending, beat }));
    pending = [];
  };
  log('hello', { agent: navigator.userAgent });

  let video = null; // The element that showed a picture last: a player may begin anew with another one.
  // Seconds of media that the element could play on with.
  const ahead = ({ buffered, currentTime }) => {
    for (let i = 0; i < buffered.length; i++) {
      if (buffered.start(i) <= currentTime && currentTime < buffered.end(i)) return buffered.end(i) - currentTime;
    }
    return 0;
  };
  let due = now() + HEARTBEAT_MS;
  every(() => {
    const at = now();
    flush({
      at_ms: at,
      lag_ms: Math.max(0, at - due),
      time: video ? video.currentTime : null,
      ahead: video ? ahead(video) : 0,
      playing: !!video && !video.paused && !video.ended && !video.seeking,
    });
    due = at + HEARTBEAT_MS;
  }, HEARTBEAT_MS);
  addEventListener('pagehide', () => flush(null));

  // Who has called: the page's frames of the stack. Our own are named by their script; WebKit calls it by the page's
  // name, so that there the two innermost are left out for what they are.
  const OWN = 'segproof.js';
  const FRAMES_MAX = 6;
  const caller = () => {
    const lines = String(Error().stack).split('\n').map((line) => line.trim());
    const outer = lines[0].startsWith('caller@') ? lines.slice(2) : lines;
    const theirs = outer.filter((line) => /:\d+/.test(line) && !line.includes(OWN)).slice(0, FRAMES_MAX);
    return theirs.map((line) => line.replaceAll(`${location.origin}/`, '').replaceAll(location.search, '')).join('\n');
  };

  // --- Errors --------------------------------------------------------------------------------------------
  const words = (e) => {
    if (e instanceof Error) return `${e.name}: ${e.message}`;
    if (typeof e !== 'object' || !e) return String(e);
    // A MediaError has its message behind a getter.
    if (typeof e.message === 'string') return e.message;
    // No deeper and no further: a page may tell of a whole segment, and must not wait for us to read it.
    const parts = [];
    let looked = 0;
    for (const key in e) {
      if (looked++ === KEYS_MAX) break;
      const { value } = attempt(() => e[key]);
      if (Object(value) !== value) parts.push(`${key}: ${String(value)}`);
    }
    return `{ ${parts.join(', ')} }`;
  };
  const KEYS_MAX = 10;
  addEventListener('error', (e) => { if (e.message) log('uncaught', { message: e.message }); });
  addEventListener('unhandledrejection', (e) => log('uncaught', { message: words(e.reason) }));
  addEventListener('segproof-error', ({ detail }) =>
    log('player-error', { fatal: !!(detail && detail.fatal), message: String((detail && detail.message) || '') }));

  // Replaces a method by one that calls it; what it returns or throws is unchanged. A proxy keeps its name,
  // length and text, and that it is no constructor.
  const { apply } = Reflect;
  const wrap = (owner, name, make) => {
    const native = owner && owner[name];
    if (typeof native !== 'function') return;
    const made = make(native);
    owner[name] = new Proxy(native, { apply: (_, self, args) => apply(made, self, args) });
  };
  const attempt = (action) => {
    try { return { value: action(), error: null }; } catch (e) { return { thrown: e, error: (e && e.name) || String(e) }; }
  };

  // --- What the page says to who debugs it ---------------------------------------------------------------
  const SAID_MAX = 3000;
  const TEXT_MAX = 300;
  let said = 0;
  for (const level of ['debug', 'log', 'info', 'warn', 'error']) {
    wrap(console, level, (native) => function say(...parts) {
      const text = attempt(() => parts.map(words).join(' ')).value;
      if (text && said++ < SAID_MAX) log('console', { level, text: text.slice(0, TEXT_MAX) });
      return native.apply(this, parts);
    });
  }

  // --- Network -------------------------------------------------------------------------------------------
  let calls = 0;
  // As it will be asked for: the browser escapes what may not stand in a URL, and the origin never sees that.
  const asked = (url) => attempt(() => new URL(url, document.baseURI).href).value ?? String(url);
  const failure = (error) => ({ status: null, error });
  wrap(window, 'fetch', (native) => function fetch(input) {
    const id = calls++;
    log('fetch', { id, url: asked((input && input.url) || input), by: caller() });
    // The page gets the promise behind the log: one with a handler of ours would never be reported as an
    // unhandled rejection.
    return native.apply(this, arguments).then(
      (response) => {
        log('fetch-done', { id, status: response.status, error: null });
        return response;
      },
      (error) => {
        log('fetch-done', { id, ...failure(words(error)) });
        throw error;
      },
    );
  });
  const urls = new WeakMap();
  const ENDS = ['readystatechange', 'loadend'];
  wrap(XMLHttpRequest.prototype, 'open', (native) => function open(_, url) {
    urls.set(this, asked(url));
    return native.apply(this, arguments);
  });
  wrap(XMLHttpRequest.prototype, 'send', (native) => function send() {
    const id = calls++;
    log('fetch', { id, url: urls.get(this) || '', by: caller() });
    let why = 'error';
    for (const type of ['abort', 'timeout', 'error']) this.addEventListener(type, () => { why = type; });
    // As soon as there is a status: a page that aborts when it has its answer takes it away again.
    const done = ({ type }) => {
      if (!this.status && type !== 'loadend') return;
      for (const name of ENDS) this.removeEventListener(name, done);
      log('fetch-done', this.status ? { id, status: this.status, error: null } : { id, ...failure(why) });
    };
    for (const name of ENDS) this.addEventListener(name, done);
    const { value, thrown, error } = attempt(() => native.apply(this, arguments));
    if (!error) return value;
    for (const name of ENDS) this.removeEventListener(name, done);
    log('fetch-done', { id, ...failure(error) });
    throw thrown;
  });

  // --- Media Source Extensions ---------------------------------------------------------------------------
  // The digest of media.rs: two multiplicative 32-bit hashes.
  class Digest {
    constructor() { this.a = 0x811c9dc5; this.b = 0x9747b28c; }
    update(bytes) {
      let { a, b } = this;
      for (let i = 0; i < bytes.length; i++) {
        a = Math.imul(a ^ bytes[i], 0x01000193);
        b = Math.imul(((b << 5) | (b >>> 27)) ^ bytes[i], 0x9e3779b1);
      }
      this.a = a; this.b = b;
    }
    hex() {
      return [this.a, this.b].map((h) => (h >>> 0).toString(16).padStart(8, '0')).join('');
    }
  }

  // Text that is read as a box has one larger than this, whatever its letters are: 32 bits of printable characters.
  const LONGEST_BOX = 2 ** 28;
  // Boxes as a byte stream, because an append may begin and end anywhere (MSE, segment parser loop).
  class Boxes {
    constructor() { this.reset(); }
    reset() { this.head = []; this.left = 0; this.type = ''; this.digest = null; this.isGarbage = false; }
    push(bytes) {
      const found = [];
      let at = 0;
      while (at < bytes.length) {
        if (this.isGarbage) return found;
        if (this.left === 0) {
          this.head.push(bytes[at++]);
          if (this.head.length < 8) continue;
          const size = new DataView(Uint8Array.from(this.head).buffer);
          let length = size.getUint32(0);
          if (length === 1) {
            if (this.head.length < 16) continue;
            length = Number(size.getBigUint64(8));
          }
          this.type = String.fromCharCode(...this.head.slice(4, 8));
          this.left = length === 0 ? Infinity : length - this.head.length;
          if (!/^[a-z0-9 ]{4}$/i.test(this.type) || this.left < 0 || length > LONGEST_BOX) {
            this.isGarbage = true;
            found.push({ box: 'garbage' });
            return found;
          }
          this.digest = this.type === 'moov' || this.type === 'mdat' ? new Digest() : null;
          if (this.type === 'moov') this.digest.update(this.head);
        }
        const take = Math.min(this.left, bytes.length - at);
        if (this.digest) this.digest.update(bytes.subarray(at, at + take));
        at += take;
        this.left -= take;
        if (this.left === 0) {
          if (this.type === 'moov') found.push({ box: 'init', digest: this.digest.hex() });
          if (this.type === 'mdat') found.push({ box: 'mdat', digest: this.digest.hex() });
          if (this.type === 'moof') found.push({ box: 'moof' });
          this.head = [];
        }
      }
      return found;
    }
  }

  // The last step to the engine, where conditions.js may come between.
  let pass = (name, buffer, native, args) => native.apply(buffer, args);
  const buffers = new WeakMap();
  let bufferCount = 0;
  const ranges = (buffer) => {
    try {
      return Array.from({ length: buffer.buffered.length }, (_, i) => [buffer.buffered.start(i), buffer.buffered.end(i)]);
    } catch { return []; } // Removed from its MediaSource: MSE has `buffered` throw.
  };
  const known = (buffer) => buffers.get(buffer) || { id: -1, boxes: new Boxes() };
  // Without those that inherit from another one of them, and are watched with it, as a ManagedMediaSource may.
  const sources = [window.MediaSource, window.ManagedMediaSource].filter((Source) =>
    Source && Object.hasOwn(Source.prototype, 'addSourceBuffer'));
  for (const Source of new Set(sources)) {
    wrap(Source.prototype, 'addSourceBuffer', (native) => function addSourceBuffer(mime) {
      const buffer = native.apply(this, arguments);
      const id = bufferCount++;
      buffers.set(buffer, { id, boxes: new Boxes() });
      log('add-source-buffer', { buffer: id, mime: String(mime) });
      buffer.addEventListener('updateend', () => log('update-end', { buffer: id, buffered: ranges(buffer) }));
      buffer.addEventListener('error', () => log('buffer-error', { buffer: id }));
      return buffer;
    });
    wrap(Source.prototype, 'endOfStream', (native) => function endOfStream(error) {
      log('end-of-stream', { error: error ? String(error) : null });
      return native.apply(this, arguments);
    });
  }
  const bytesOf = (data) => (ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data));
  const nativeRemove = window.SourceBuffer && SourceBuffer.prototype.remove;
  if (window.SourceBuffer) {
    const { prototype } = SourceBuffer;
    wrap(prototype, 'appendBuffer', (native) => function appendBuffer(data) {
      const { id, boxes } = known(this);
      const updating = this.updating;
      // What is no buffer, or a detached one, is the native function's to refuse.
      const bytes = attempt(() => bytesOf(data)).value || new Uint8Array();
      const { thrown, error } = attempt(() => pass('appendBuffer', this, native, arguments));
      const found = error ? new Boxes().push(bytes) : boxes.push(bytes);
      log('append', { buffer: id, bytes: bytes.length, boxes: found, updating, error, mode: this.mode, by: caller() });
      if (error) throw thrown;
    });
    wrap(prototype, 'remove', (native) => function remove(start, end) {
      const { thrown, error } = attempt(() => pass('remove', this, native, arguments));
      const finite = (x) => (Number.isFinite(x) ? x : Number.MAX_VALUE);
      log('remove', { buffer: known(this).id, start: finite(start), end: finite(end), error });
      if (error) throw thrown;
    });
    wrap(prototype, 'abort', (native) => function abort() {
      const { id, boxes } = known(this);
      // Refused on a removed buffer and during a removal; the parser then goes on where it was.
      pass('abort', this, native, arguments);
      boxes.reset();
      log('abort', { buffer: id });
    });
    wrap(prototype, 'changeType', (native) => function changeType(mime) {
      const { id, boxes } = known(this);
      native.apply(this, arguments);
      boxes.reset();
      log('change-type', { buffer: id, mime: String(mime) });
    });
    const offset = Object.getOwnPropertyDescriptor(prototype, 'timestampOffset');
    Object.defineProperty(prototype, 'timestampOffset', {
      ...offset,
      set(seconds) {
        offset.set.call(this, seconds);
        log('timestamp-offset', { buffer: known(this).id, seconds: Number(seconds) });
      },
    });
  }

  // --- The media element and its picture -----------------------------------------------------------------
  const onFrame = HTMLVideoElement.prototype.requestVideoFrameCallback;
  const quality = HTMLVideoElement.prototype.getVideoPlaybackQuality;
  const canvas = document.createElement('canvas');
  const CELL_PX = 4;
  [canvas.width, canvas.height] = [16 * CELL_PX, 2 * CELL_PX];
  const picture = canvas.getContext('2d', { willReadFrequently: true });

  // The code in the top 2/9 of the picture: two rows of 16 cells (fixtures/README.md).
  const readCode = (element) => {
    picture.drawImage(element, 0, 0, element.videoWidth, (element.videoHeight * 2) / 9, 0, 0, canvas.width, canvas.height);
    const { data } = picture.getImageData(0, 0, canvas.width, canvas.height);
    let code = 0;
    for (let cell = 0; cell < 32; cell++) {
      const x = (cell % 16) * CELL_PX + CELL_PX / 2;
      const y = (cell >> 4) * CELL_PX + CELL_PX / 2;
      const green = data[(y * canvas.width + x) * 4 + 1];
      code = (code << 1) | (green > 127 ? 1 : 0);
    }
    code >>>= 0;
    const bits = (from, count) => (code >>> (32 - from - count)) & (2 ** count - 1);
    const run = bits(2, 4);
    const number = bits(6, 16);
    const isValid = bits(0, 2) === 2 && bits(30, 2) === 1
      && bits(22, 8) === (run * 37 + number * 101 + 57) % 251;
    return isValid ? { run, number } : null;
  };

  // What the viewer sees at the moments that matter, small, and not often.
  const STILLS_MAX = 12;
  const STILL_EVERY_MS = 250;
  const still = document.createElement('canvas');
  [still.width, still.height] = [128, 72];
  let stills = 0;
  let stillAt = -Infinity;
  const keepStill = (element, event) => {
    if (stills === STILLS_MAX || !element.videoWidth || now() < stillAt + STILL_EVERY_MS) return;
    stillAt = now();
    stills++;
    still.getContext('2d').drawImage(element, 0, 0, still.width, still.height);
    log('still', { event, image: still.toDataURL('image/jpeg', 0.6) });
  };

  // Faster than life a few frames of each segment are enough for the judge, and reading one costs more than decoding
  // many: of those that follow each other steadily, one in so many seconds of media is read.
  const READ_EVERY_S = window.__segproofSpeed ? 0.25 : 0;
  // After something has happened to the element all are read for a while, wall milliseconds.
  const ALERT_MS = 150;

  const watched = new WeakMap();
  const watch = (element) => {
    if (watched.has(element)) return;
    video = video || element;
    let last = null;
    let read = null;
    let passedOver = null;
    const readFrame = ({ mediaTime, presentedFrames }) => {
      passedOver = null;
      read = mediaTime;
      const code = readCode(element);
      if (!code) log('unreadable', { media_time: mediaTime });
      else if (!last || code.number !== last.number || code.run !== last.run) {
        // Not every frame has a callback, but the engine counts all that it shows and drops.
        const { droppedVideoFrames } = quality.call(element);
        log('frame', { ...code, media_time: mediaTime, presented: presentedFrames, dropped: droppedVideoFrames });
      }
      last = code;
    };
    let alertUntil = now() + ALERT_MS;
    const look = (_, metadata) => {
      video = element;
      const step = metadata.mediaTime - read;
      if (read !== null && last && step > 0 && step < READ_EVERY_S && now() > alertUntil) passedOver = metadata;
      else readFrame(metadata);
      onFrame.call(element, look);
    };
    onFrame.call(element, look);
    watched.set(element, {
      alert() { alertUntil = now() + ALERT_MS; },
      // The picture stays: what was passed over is what the viewer sees.
      stay() { if (passedOver) readFrame(passedOver); },
    });
  };
  const EVENTS = ['loadstart', 'loadedmetadata', 'canplay', 'play', 'playing', 'pause', 'waiting', 'stalled',
    'seeking', 'seeked', 'ended', 'error', 'emptied'];
  const STAYS = ['pause', 'waiting', 'ended'];
  const STILLS = [...STAYS, 'playing', 'seeked', 'error'];
  let heard = () => {};
  const see = ({ type, target }) => {
    if (!(target instanceof HTMLMediaElement)) return;
    if (target instanceof HTMLVideoElement) {
      watch(target);
      const eye = watched.get(target);
      eye.alert();
      if (STAYS.includes(type)) eye.stay();
      if (STILLS.includes(type)) attempt(() => keepStill(target, type));
    }
    const error = target.error ? `MediaError ${target.error.code}: ${target.error.message}` : null;
    log('media', { event: type, time: target.currentTime, error });
    heard({ type, target });
  };
  const listenIn = (root) => { for (const type of EVENTS) root.addEventListener(type, see, true); };
  listenIn(window);
  // Events of media do not leave a shadow tree.
  wrap(Element.prototype, 'attachShadow', (native) => function attachShadow() {
    const root = native.apply(this, arguments);
    listenIn(root);
    return root;
  });

  // ear.js, hand.js and conditions.js follow, take this and remove it. Without them there is nothing to be found.
  for (const name of ['__segproofEar', '__segproofHand', '__segproofConditions']) {
    if (!window[name]) continue;
    window[name].eye = {
      wrap,
      log,
      flush: () => flush(null),
      video: () => video,
      idOf: (buffer) => known(buffer).id,
      remove: nativeRemove,
      sources,
      between: (step) => { pass = step; },
      obey: (action) => { obey = action; },
      hear: (listener) => { heard = listener; },
    };
  }
})();
