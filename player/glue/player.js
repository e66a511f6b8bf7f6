// The glue: the only place that knows fetch, Media Source Extensions and timers. What to do when is decided
// in player/core; its events and requests are numbered and named as in player/src/wasm.rs.
const WOKEN = 0, OPENED = 1, LOADED = 2, FAILED = 3, UPDATED = 4, QUOTA = 5, BROKEN = 6, UNSUPPORTED = 7, ENDED = 8;
const PLAYLIST = 0, INIT = 1, SEGMENT = 2;
// What a moof at the beginning of a segment needs at most.
const HEAD_BYTES = 1 << 18;
const bytes = Uint8Array.from("@wasm@", (char) => char.charCodeAt());

// Plays the live HLS stream at `url` in a video element.
// options.fetch: what is to be added to every fetch, for example {credentials: 'include'}; headers as an object.
// Dispatches `playererror` on the element, with detail {fatal, message}. Returns {stop()}.
export function play(url, video, options) {
  const requests = [], bodies = [];
  // Whether somebody has paused. An element in error says that it is paused, too, which nobody asked for.
  let isPaused;
  let core, source, buffer, type, base, timer, listeners, stopped;

  const now = () => performance.now();
  const tell = (kind, resource = 0, value = 0) => {
    if (core) {
      clearTimeout(timer);
      const at = core.event(kind, resource, value, now());
      if (core && at < Infinity) timer = setTimeout(tell, Math.max(0, at - now()), WOKEN);
    }
  };
  const text = (pointer, length) => decode(new Uint8Array(core.memory.buffer, pointer, length));
  const listen = (target, name, action) =>
    target.addEventListener(name, action, { signal: listeners.signal });
  // Listeners of the page may call stop(), so they run when the core has returned.
  const report = (fatal, message) =>
    queueMicrotask(() => video.dispatchEvent(new CustomEvent('playererror', { detail: { fatal, message } })));
  const close = () => {
    core = 0;
    clearTimeout(timer);
    listeners.abort();
    requests.map((request) => request.abort());
  };

  const put = (resource, body) => {
    const pointer = core.room(resource, body.byteLength);
    if (pointer) new Uint8Array(core.memory.buffer, pointer, body.byteLength).set(new Uint8Array(body));
    return pointer;
  };

  // The core must have returned before it is told anything.
  const later = (kind) => queueMicrotask(() => tell(kind));
  const attempt = (action) => {
    try {
      action();
    } catch (error) {
      later(error.name == 'QuotaExceededError' ? QUOTA : BROKEN);
    }
  };

  const load = async (resource, uri, offset, length) => {
    const request = (requests[resource] = new AbortController());
    const began = now();
    let status = 0, body;
    try {
      const { headers, ...rest } = options?.fetch ?? {};
      const response = await fetch(resource ? new URL(uri, base) : uri || url, {
        ...rest,
        headers: length ? { ...headers, Range: `bytes=${offset}-${offset + length - 1}` } : headers,
        cache: 'no-store',
        signal: request.signal,
      });
      if (response.ok) {
        body = await response.arrayBuffer();
        // A server that ignores the range sends everything.
        if (length && response.status == 200) body = body.slice(offset, offset + length);
        else if (isShort(response.headers, body.byteLength)) body = 0;
        // Of a Multivariant Playlist the first variant is played, which its author meant to be started with.
        // A variant that is none itself is no playlist: followed, it could lead in circles.
        const variant = body && !resource && !uri && /^#EXT-X-STREAM-INF:.*\s+([^#\s]+)/m.exec(decode(body));
        if (variant && request == requests[resource]) return load(resource, new URL(variant[1], response.url));
        // What is no playlist must not take the place of the last one.
        if (body && !(resource ? hasBoxes(body, resource == INIT ? ['moov'] : ['moof', 'mdat']) : isPlaylist(body)))
          body = 0;
        if (body && !resource) {
          base = response.url;
          if (uri) url = uri;
        }
      } else {
        status = response.status;
        // The rest of an answer that nobody reads must not hold the connection.
        request.abort();
      }
    } catch {}
    if (request == requests[resource] && core) {
      if (body && resource != SEGMENT && !put(resource, body)) body = 0;
      bodies[resource] = body;
      if (body) tell(LOADED, resource, now() - began);
      else tell(FAILED, resource, status);
    }
  };

  const imports = {
    load: (resource, pointer, length, offset, size) => void load(resource, text(pointer, length), offset, size),
    cancel(resource) {
      requests[resource]?.abort();
      requests[resource] = new AbortController();
    },
    codecs(pointer, length) {
      const wanted = `video/mp4; codecs="${text(pointer, length)}"`;
      try {
        if (!buffer) {
          buffer = source.addSourceBuffer(wanted);
          listen(buffer, 'updateend', () => buffer.updating || tell(source.readyState == 'open' ? UPDATED : BROKEN));
        } else if (wanted != type) buffer.changeType?.(wanted);
        type = wanted;
      } catch {
        later(UNSUPPORTED);
      }
    },
    append: (resource, start) =>
      attempt(() => {
        // Not before the media: WebKit's abort() forgets the init.
        if (resource == INIT) buffer.abort();
        const body = bodies[resource];
        if (start >= 0) {
          if (put(INIT, bodies[INIT]) && put(SEGMENT, body.slice(0, HEAD_BYTES))) start = core.offset(start);
          buffer.timestampOffset = start;
        }
        buffer.appendBuffer(body);
      }),
    remove: (end) => attempt(() => buffer.remove(0, end)),
    seek: (to) => void (video.currentTime = to),
    end: () => attempt(() => source.endOfStream()),
    rebuild: () => attach(),
    close,
    report: (fatal, pointer, length) => report(!!fatal, text(pointer, length)),
    playhead: () => video.currentTime,
    edge(index, which) {
      const ranges = video.buffered;
      return index < ranges.length ? ranges[which ? 'end' : 'start'](index) : -1;
    },
    starving: () => video.readyState < 3,
  };

  const attach = () => {
    listeners?.abort();
    listeners = new AbortController();
    buffer = 0;
    source = new MediaSource();
    listen(source, 'sourceopen', () => {
      URL.revokeObjectURL(video.src);
      tell(OPENED);
    });
    // WebKit closes it with an error, and tells that later; else somebody has given the element another source.
    listen(source, 'sourceclose', () => (video.error ? tell(BROKEN) : (stopped = 1) && close()));
    listen(video, 'pause', () => (isPaused = !video.error && !video.ended));
    listen(video, 'play', () => (isPaused = 0));
    listen(video, 'waiting', () => tell(WOKEN));
    listen(video, 'ended', () => tell(ENDED));
    listen(video, 'error', () => video.error && tell(BROKEN));
    video.src = URL.createObjectURL(source);
    // Without the visitor's consent it waits for the visitor, which is no error.
    if (!isPaused) video.play().catch(() => {});
  };

  attach();
  WebAssembly.instantiate(bytes, { g: imports }).then(
    ({ instance }) => {
      if (stopped) return;
      core = instance.exports;
      tell(source.readyState == 'open' ? OPENED : WOKEN);
    },
    () => stopped || (close(), report(true, 'WebAssembly not allowed')),
  );
  return {
    stop() {
      if (stopped) return;
      stopped = 1;
      close();
      video.removeAttribute('src');
      video.load();
    },
  };
}

const decode = (bytes) => new TextDecoder().decode(bytes);

// Both tags are required.
const isPlaylist = (body) => /^#EXTM3U[^]*#EXT-X-TARGETDURATION/.test(decode(body));

// The body is shorter than declared. Where the answer was compressed, the length is that of the compressed
// body, and other origins don't show that it was: so only what compression cannot explain counts.
const isShort = (headers, length) =>
  !headers.get('content-encoding') && headers.get('content-length') > length * 1.001 + 64;

// The top-level boxes fill the body exactly, and the wanted ones are among them.
const hasBoxes = (body, wanted) => {
  const view = new DataView(body), length = body.byteLength;
  let at = 0, found = '';
  while (at + 8 <= length) {
    let size = view.getUint32(at);
    found += String.fromCharCode(...new Uint8Array(body, at + 4, 4));
    if (size == 1 && at + 16 <= length) size = Number(view.getBigUint64(at + 8));
    if (size < 8) return;
    at += size;
  }
  return at == length && wanted.every((kind) => found.includes(kind));
};
