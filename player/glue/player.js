// The glue: the only place that knows fetch, Media Source Extensions and timers. What to do when is decided
// in player/core; its events and requests are numbered as in player/src/wasm.rs.
import { codecs, decodeTime } from './boxes.js';
import { found } from './places.js';
import { bytes } from './bytes.js';

// To LOADED and FAILED the resource is added.
const WOKEN = 0, LOADED = 1, FAILED = 4, OPENED = 7, UPDATED = 8, QUOTA = 9, BROKEN = 10, UNSUPPORTED = 11, ENDED = 12, SOUGHT = 13;
const INIT = 1, SEGMENT = 2;
// By their codes; after the first two the session goes on.
const MESSAGES =
  'segment lost,media lost,media error,no playlist,playlist lost,segments lost,init lost,no EXT-X-MAP,no decoder,no WebAssembly';
const NO_WEB_ASSEMBLY = 9;

// Plays the live HLS stream at `url` in a video element.
// options.fetch: what is to be added to every fetch, for example {credentials: 'include'}; headers as an object.
// options.patience: for how many seconds a playlist that is not found is waited for.
// Dispatches `playererror` on the element, with detail {code, fatal, message}, and `playerlatency`, with seconds behind the
// end of the playlist. Returns {stop()}.
export function play(url, video, options = {}) {
  const Source = globalThis.ManagedMediaSource ?? MediaSource;
  const requests = [], bodies = [];
  let text = '';
  // Whether somebody has paused. An element in error says that it is paused, too, which nobody asked for.
  let isPaused;
  // The next `seeking` is of the core's making.
  let isOwnSeek;
  let core, source, buffer, type, base, timer, listeners, stopped;

  const now = () => performance.now();
  const tell = (kind, value) => {
    if (core) {
      clearTimeout(timer);
      const at = core.a(kind, value, now());
      if (core) timer = setTimeout(tell, at - now(), WOKEN);
    }
  };
  const listen = (target, name, action) => target.addEventListener(name, action, { signal: listeners.signal });
  // Listeners of the page may call stop(), so they run when the core has returned.
  const dispatch = (name, detail) => queueMicrotask(() => video.dispatchEvent(new CustomEvent(name, { detail })));
  const report = (code) => dispatch('playererror', { code, fatal: code > 1, message: MESSAGES.split(',')[code] });
  const close = () => {
    core = 0;
    clearTimeout(timer);
    listeners.abort();
    requests.map((request) => request.abort());
  };
  const attempt = (action) => {
    try {
      action();
    } catch ({ name }) {
      // The core must have returned before it is told anything.
      queueMicrotask(() => tell(name == 'QuotaExceededError' ? QUOTA : name == 'NotSupportedError' ? UNSUPPORTED : BROKEN));
    }
  };
  const bufferedEnd = () => {
    const ranges = video.buffered;
    return ranges.length && ranges.end(ranges.length - 1);
  };

  const load = async (resource, place, playlistUrl = url) => {
    const request = (requests[resource] = new AbortController());
    const began = now();
    let value = 0, body;
    try {
      const { headers, ...rest } = options.fetch ?? {};
      // What is listed may be no URI, which is a failure like any other.
      const [uri, offset, length] = found(text, place, resource == INIT);
      const response = await fetch(place ? new URL(uri, base) : playlistUrl, {
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
        if (body && !resource) {
          const playlist = new TextDecoder().decode(body);
          // Of a Multivariant Playlist the first variant is played that can be, in the order that its author meant. A
          // variant that is none itself is no playlist: followed, it could lead in circles.
          const variants = playlistUrl === url && Array.from(playlist.matchAll(/^#EXT-X-STREAM-INF:(.*)\s+([^#\s]+)/gm));
          const isPlayed = ([, attributes]) => {
            const codecs = /CODECS="(.*?)"/.exec(attributes);
            return !codecs || Source.isTypeSupported(`video/mp4;${codecs[0]}`);
          };
          const variant = variants && (variants.find(isPlayed) ?? variants[0]);
          if (request != requests[resource]) return;
          if (variant) return load(resource, place, new URL(variant[2], response.url));
          // Both tags are required. What is no playlist must not take the place of the last one.
          if (/^#EXTM3U[^]*#EXT-X-TARGETDURATION/.test(playlist)) {
            base = response.url;
            url = playlistUrl;
            text = playlist;
            value = now() - began;
          } else body = 0;
        } else if (body && !hasBoxes(body, resource == INIT ? ['moov'] : ['moof', 'mdat'])) body = 0;
      } else {
        value = response.status;
        // The rest of an answer that nobody reads must not hold the connection.
        request.abort();
      }
    } catch {}
    if (request == requests[resource]) {
      bodies[resource] = body;
      if (resource == SEGMENT && body && buffer)
        value = decodeTime(bodies[INIT], body) + buffer.timestampOffset < bufferedEnd() - 0.4;
      tell((body ? LOADED : FAILED) + resource, value);
    }
  };

  const imports = [
    (resource, place) => void load(resource, place),
    (resource) => {
      requests[resource]?.abort();
      delete requests[resource];
    },
    (resource, start) =>
      attempt(() => {
        const body = bodies[resource];
        if (resource == INIT) {
          const wanted = `video/mp4;codecs="${codecs(body)}"`;
          if (!buffer) {
            buffer = source.addSourceBuffer(wanted);
            listen(buffer, 'updateend', () => buffer.updating || tell(source.readyState == 'open' ? UPDATED : BROKEN));
          } else {
            // Not before the media: WebKit's abort() forgets the init.
            buffer.abort();
            if (wanted != type) buffer.changeType?.(wanted);
          }
          type = wanted;
        } else {
          const mode = start < 0 ? 'segments' : 'sequence';
          if (buffer.mode != mode) buffer.mode = mode;
          if (start >= 0) buffer.timestampOffset = start;
        }
        buffer.appendBuffer(body);
      }),
    (end) => attempt(() => buffer.remove(0, end)),
    (to) => {
      isOwnSeek = 1;
      video.currentTime = to;
    },
    (isHurrying) => (video.playbackRate = isHurrying ? 1.1 : 1),
    () => attempt(() => source.endOfStream()),
    () => attach(),
    close,
    (index) => text.charCodeAt(index),
    report,
    (seconds) => dispatch('playerlatency', seconds),
    () => video.currentTime,
    (index) => {
      const ranges = video.buffered;
      return index < 2 * ranges.length ? ranges[index & 1 ? 'end' : 'start'](index >> 1) : -1;
    },
    () => (video.readyState < 3) | (video.paused << 1) | ((source.streaming == false) << 2),
  ];

  const attach = () => {
    const open = () => tell(OPENED, 1000 * (options.patience ?? 0));
    listeners?.abort();
    listeners = new AbortController();
    buffer = 0;
    source = new Source();
    listen(source, 'sourceopen', () => {
      URL.revokeObjectURL(video.src);
      open();
    });
    // WebKit closes it with an error, and tells that later; else somebody has given the element another source.
    listen(source, 'sourceclose', () => (video.error ? tell(BROKEN) : (stopped = 1) && close()));
    listen(video, 'pause', () => (isPaused = !video.error && !video.ended));
    listen(video, 'play', () => (isPaused = 0));
    listen(video, 'waiting', () => tell(WOKEN));
    listen(video, 'ended', () => tell(ENDED));
    listen(video, 'error', () => video.error && tell(BROKEN));
    listen(video, 'seeking', () => (isOwnSeek ? (isOwnSeek = 0) : tell(SOUGHT)));
    // Without it there is no ManagedMediaSource.
    video.disableRemotePlayback = true;
    video.src = URL.createObjectURL(source);
    // Without the visitor's consent it waits for the visitor, which is no error.
    if (!isPaused) video.play().catch(() => {});
    return open;
  };

  const open = attach();
  WebAssembly.instantiate(bytes, { a: imports }).then(
    ({ instance }) => {
      if (stopped) return;
      core = instance.exports;
      if (source.readyState == 'open') open();
      else tell(WOKEN);
    },
    () => stopped || (close(), report(NO_WEB_ASSEMBLY)),
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
