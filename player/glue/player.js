// The glue: the only place that knows fetch, Media Source Extensions and timers. What to do when is decided
// in player/core; its events and requests are numbered as in player/src/wasm.rs.
import { consistsOf, decodeTime, tracks } from './boxes.js';
import { found } from './places.js';
import { FULL } from './full.js';
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
  // The variants that can be played, in the order of what they need.
  let variants = [];
  // Whether somebody has paused. An element in error says that it is paused, too, which nobody asked for.
  let isPaused;
  // The next `seeking` is of the core's making.
  let isOwnSeek;
  let core, source, buffer, type, base, timer, listeners, stopped;

  const now = () => performance.now();
  const tell = (kind, value) => {
    if (core) {
      clearTimeout(timer);
      const wait = core.a(kind, value, now());
      if (core) timer = setTimeout(tell, wait, WOKEN);
    }
  };
  const listen = (target, name, action) => target.addEventListener(name, action, { signal: listeners.signal });
  // Listeners of the page may call stop(), so they run when the core has returned.
  const dispatch = (name, detail) => queueMicrotask(() => video.dispatchEvent(new CustomEvent(name, { detail })));
  const report = (code) => dispatch('playererror', { code, fatal: code > 1, message: MESSAGES.split(',')[code] });
  const close = () => {
    core = 0;
    clearTimeout(timer);
    listeners?.abort();
    requests.map((request) => request?.abort());
  };
  const attempt = (action) => {
    try {
      action();
    } catch ({ name }) {
      // The core must have returned before it is told anything.
      queueMicrotask(() => tell(name == 'QuotaExceededError' ? QUOTA : name == 'NotSupportedError' ? UNSUPPORTED : BROKEN));
    }
  };
  const load = async (resource, place, playlistUrl = url) => {
    const request = (requests[resource] = new AbortController());
    const began = now();
    let value = 0, body;
    try {
      // What is listed may be no URI, which is a failure like any other.
      const [uri, offset, length] = found(text, place, resource == INIT);
      const response = await fetch(place ? new URL(uri, base) : playlistUrl, {
        ...options.fetch,
        headers: { ...options.fetch?.headers, ...(length && { Range: `bytes=${offset}-${offset + length - 1}` }) },
        cache: 'no-store',
        signal: request.signal,
      });
      if (!response.ok) {
        value = response.status;
        // The rest of an answer that nobody reads must not hold the connection; reading it fails.
        request.abort();
      }
      let data = await response.arrayBuffer();
      // A server that ignores the range sends everything.
      if (length && response.status == 200) data = data.slice(offset, offset + length);
      else if (isShort(response.headers, data.byteLength)) throw 0;
      if (resource) {
        if (consistsOf(resource == INIT ? /6d6f6f76/ : /6d6f6f66.*6d646174/, data)) body = data;
      } else {
        const playlist = new TextDecoder().decode(data);
        // A variant that is a Multivariant Playlist itself is no playlist: followed, it could lead in circles.
        const listed = playlistUrl === url && Array.from(playlist.matchAll(/^#EXT-X-STREAM-INF:(.*)\s+([^#\s]+)/gm));
        const isPlayed = ([, attributes]) => Source.isTypeSupported('video/mp4;' + /CODECS=".*?"/.exec(attributes));
        // The first is played that can be, in the order that the author meant.
        const variant = listed && (listed.find(isPlayed) ?? listed[0]);
        if (variant) {
          if (FULL) {
            const played = listed.filter(isPlayed);
            variants = (played.length ? played : listed).map(([, attributes, uri]) => ({
              // Not AVERAGE-BANDWIDTH.
              bandwidth: +/(?:^|[,\s])BANDWIDTH=(\d+)/.exec(attributes)?.[1],
              height: +/RESOLUTION=\d+x(\d+)/.exec(attributes)?.[1],
              url: new URL(uri, response.url),
            }));
            const first = variants[0];
            variants.sort((a, b) => a.bandwidth - b.bandwidth);
            return load(resource, place, first.url);
          }
          return load(resource, place, new URL(variant[2], response.url));
        }
        // Both tags are required. What is no playlist must not take the place of the last one.
        if (/^#EXTM3U[^]*#EXT-X-TARGETDURATION/.test(playlist)) {
          base = response.url;
          url = playlistUrl;
          body = text = playlist;
          value = now() - began;
        }
      }
    } catch {}
    if (request == requests[resource]) {
      bodies[resource] = body;
      if (FULL && resource == SEGMENT && body) value = (body.byteLength * 8000) / (now() - began);
      tell((body ? LOADED : FAILED) + resource, value);
    }
  };

  const attach = () => {
    listeners?.abort();
    listeners = new AbortController();
    buffer = 0;
    source = new Source();
    listen(source, 'sourceopen', () => {
      URL.revokeObjectURL(video.src);
      tell(OPENED, 1000 * (options.patience ?? 0));
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
  };

  const imports = [
    (resource, place) => void load(resource, place),
    (resource) => (requests[resource] = requests[resource]?.abort()),
    (resource, start) =>
      attempt(() => {
        const body = bodies[resource];
        if (resource == INIT) {
          const wanted = `video/mp4;codecs="${tracks(body).map((track) => track[2])}"`;
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
          buffer.mode = start < 0 ? 'segments' : 'sequence';
          // Otherwise a run begins behind all that has been appended: where the picture is longer than the sound there is a hole,
          // and other engines stand still before that. WebKit goes over it, but where a run begins in the last frame it shows the
          // picture from the key frame before on again.
          if (start >= 0 && !/^Apple/.test(navigator.vendor)) buffer.timestampOffset = start;
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
    attach,
    close,
    (index) => text.charCodeAt(index),
    report,
    (seconds) => dispatch('playerlatency', seconds),
    () => video.currentTime,
    (index) => {
      const ranges = video.buffered;
      return index < 2 * ranges.length ? ranges[index & 1 ? 'end' : 'start'](index >> 1) : -1;
    },
    () => (video.readyState < 3) | ((video.paused || !video.playbackRate) << 1) | ((source.streaming == false) << 2),
    () => decodeTime(bodies[INIT], bodies[SEGMENT]) + buffer?.timestampOffset,
    FULL &&
      ((limit, goesUp) => {
        // None is better than the picture's size can show.
        const wanted = (video.clientHeight || 1e4) * devicePixelRatio;
        const fits = variants.filter(
          ({ bandwidth }, index) => !index || (bandwidth <= limit && !(variants[index - 1].height >= wanted)),
        );
        const best = fits[fits.length - 1]?.url;
        const at = (wanted) => variants.findIndex((variant) => variant.url === wanted);
        if (!best || (at(best) > at(url) && !goesUp) || best === url) return 0;
        url = best;
        return 1;
      }),
  ];

  WebAssembly.instantiate(bytes, { a: imports }).then(
    ({ instance }) => {
      if (stopped) return;
      core = instance.exports;
      attach();
      tell(WOKEN);
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
