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
  'segment lost,media lost,media error,no playlist,playlist lost,segments lost,init lost,no init,no decoder,no WebAssembly';
const NO_WEB_ASSEMBLY = 9;
// Of two SourceBuffers: how far a new run of one may begin, by the offset that it has, before the end of what is buffered and
// behind it, in seconds, to be left there: whatever has been missing may be that long, and no clock is set anew by so little.
const OVERLAP_S_MAX = 0.5, HOLE_S_MAX = 99;
// How often the sound waits for another clock of the picture's, and once more than that, as a mask: each time until a full
// SourceBuffer would be tried again.
const WAITS = 7;
// How far before the end of what is buffered a decoder may have read it, in seconds.
const READ_S_MAX = 1;

// Plays the live HLS stream at `url` in a video element.
// options.fetch: what is to be added to every fetch, for example {credentials: 'include'}; headers as an object. Its cache is
// 'no-store' if it is not given: what somebody's cache takes for fresh is an old list.
// options.patience: for how many seconds a playlist that is not found is waited for.
// Dispatches `playererror` on the element, with detail {code, fatal, message}, and `playerlatency`, with seconds behind the
// end of the playlist. Returns {stop()}.
//
// In player-full.js an Audio Rendition has a session of its own within this one, `sound`, whose `main` this one is: another
// core with another playlist and another SourceBuffer of the same MediaSource.
export function play(url, video, options = {}, main) {
  const Source = globalThis.ManagedMediaSource ?? MediaSource;
  const requests = [], bodies = [], entry = FULL && url;
  let text = '';
  // The variants that can be played, in the order of what they need, if `entry` has led to them.
  let variants = [];
  // Whether somebody has paused. An element in error says that it is paused, too, which nobody asked for.
  let isPaused;
  // The next `seeking` is of the core's making.
  let isOwnSeek;
  let sound, timer, buffer, stopped, base, core, source, listeners, type;

  const now = () => performance.now();
  const tell = (kind, value) => {
    if (core) {
      clearTimeout(timer);
      const wait = core.a(kind, value, now());
      if (core) timer = setTimeout(tell, wait, WOKEN);
    }
  };
  const all = FULL ? (kind, value) => (tell(kind, value), sound?._tell(kind, value)) : tell;
  // Both lose it, and one of them is given another.
  const lose = () => (FULL && main ? main._tell(BROKEN) : tell(BROKEN));
  // Of the options it has the signal.
  const listen = (target, name, action) => target.addEventListener(name, action, listeners);
  // Listeners of the page may call stop(), so they run when the core has returned.
  const dispatch = (name, detail) => queueMicrotask(() => video.dispatchEvent(new CustomEvent(name, { detail })));
  const report = (code) => {
    dispatch('playererror', { code, fatal: code > 1, message: MESSAGES.split(',')[code] });
    // Of two that play together none can go on alone.
    if (FULL && sound && code > 1)
      queueMicrotask(() => {
        close();
        attempt(() => source.endOfStream());
      });
  };
  const close = () => {
    // Which returns nothing.
    core = clearTimeout(timer);
    listeners?.abort();
    requests.map((request) => request?.abort());
    if (FULL) sound?._close();
  };
  const attempt = (action) => {
    try {
      action();
    } catch ({ name: [letter] }) {
      // QuotaExceededError, NotSupportedError; the core must have returned before it is told anything.
      queueMicrotask(() => (letter == 'N' ? tell(UNSUPPORTED) : letter == 'Q' ? tell(QUOTA) : lose()));
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
        cache: 'no-store',
        ...options.fetch,
        headers: { ...options.fetch?.headers, ...(length && { Range: `bytes=${offset}-${offset + length - 1}` }) },
        signal: request.signal,
      });
      if (!response.ok) {
        value = response.status;
        // The rest of an answer that nobody reads must not hold the connection; reading it fails.
        request.abort();
      }
      let data = await response.arrayBuffer();
      // A server that ignores the range sends everything, and some say that it is the range.
      if (length && data.byteLength > length) data = data.slice(offset, length + offset);
      else if (isShort(response.headers, data.byteLength)) throw 0;
      if (resource) {
        if (consistsOf(resource == INIT ? /6d6f6f76/ : /6d6f6f66.*6d646174/, data)) body = data;
      } else {
        const playlist = new TextDecoder().decode(data);
        // A variant that is a Multivariant Playlist itself is no playlist: followed, it could lead in circles.
        let listed = [...playlist.matchAll(/^#EXT-X-STREAM-INF(:.*)$\s+(?:#.*\s+)*([^#\s]+)/gm)];
        // What is to be read is no matter of the engine's. Every codec of a picture has a `v`, and none of sound: beside a picture
        // the sound alone is none to change to.
        const played = listed.filter(([, attributes]) =>
          Source.isTypeSupported(`video/mp4;codecs="${/[^-]CODECS="([^"]*?v.*?)(,wvtt|,stpp|")/.exec(attributes)?.[1]}"`),
        );
        if (played[0]) listed = played;
        // The first is played that can be, in the order that the author meant.
        const variant = (FULL || playlistUrl === url) && listed[0];
        if (FULL) {
          if (variant) {
            // What the page has given is asked for again.
            url = entry;
            variants = [];
            if (playlistUrl === entry) {
              variants = listed.map(([, attributes, uri]) => ({
                // Not AVERAGE-BANDWIDTH.
                _bandwidth: +/[^-]BANDWIDTH=(\d+)/.exec(attributes)?.[1],
                _height: +/RESOLUTION=\d+x(\d+)/.exec(attributes)?.[1],
                url: new URL(uri, response.url),
              }));
              url = variants[0].url;
              const group = 'GROUP-ID' + /AUDIO(=".*?")/.exec(variant[1])?.[1];
              const lines = playlist.match(/^#EXT-X-MEDIA:.*TYPE=AUDIO.*/gm) ?? [];
              const renditions = lines.filter((line) => line.includes(group));
              // Without a URI its sound is in the variant.
              const at = /URI="(.*?)"/.exec(renditions.find((line) => /DEFAULT=YES/.test(line)) ?? renditions[0])?.[1];
              if (at) sound ??= play(new URL(at, response.url), video, options, me);
              variants.sort((a, b) => a._bandwidth - b._bandwidth);
              return load(resource, place);
            }
          }
        } else if (variant) return load(resource, place, new URL(variant[2], response.url));
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
      if (FULL && body && resource == SEGMENT) value = (body.byteLength * 8000) / (now() - began);
      tell((body ? LOADED : FAILED) + resource, value);
      // Without the one there is no use for the other. Where there are variants, another one may be there.
      if (FULL && !resource && !body && !variants[1] && [410, 404].includes(value)) (main ?? sound)?._lack(value);
    }
  };

  const attach = () => {
    listeners?.abort();
    listeners = new AbortController();
    source = new Source();
    buffer = null;
    if (FULL) {
      me._attach(source, listeners);
      sound?._attach(source, listeners);
      sound?._tell(BROKEN);
    }
    listen(source, 'sourceopen', () => {
      URL.revokeObjectURL(video.src);
      all(OPENED, 1000 * options.patience);
    });
    // WebKit closes it with an error, and tells that later; else somebody has given the element another source.
    listen(source, 'sourceclose', () => (video.error ? tell(BROKEN) : close((stopped = 1))));
    listen(video, 'pause', () => (isPaused = !video.error && !video.ended));
    listen(video, 'play', () => (isPaused = 0));
    listen(video, 'waiting', () => all(WOKEN));
    listen(video, 'ended', () => all(ENDED));
    listen(video, 'error', () => video.error && tell(BROKEN));
    listen(video, 'seeking', () => (isOwnSeek ? (isOwnSeek = 0) : tell(SOUGHT)));
    // Without it there is no ManagedMediaSource.
    video.disableRemotePlayback = true;
    video.src = URL.createObjectURL(source);
    // Without the visitor's consent it waits for the visitor, which is no error.
    if (!isPaused) video.play().catch(() => {});
  };

  const edge = (index, { buffered } = FULL && (main ?? sound) && source.sourceBuffers[0] && buffer ? buffer : video) =>
    index < 2 * buffered.length ? buffered[index & 1 ? 'end' : 'start'](index >> 1) : -1;
  const go = (to) => {
    isOwnSeek = 1;
    video.currentTime = to;
  };
  // To the first place from there on where there is picture and sound, or not yet: WebKit may lose any other seek, and hangs behind
  // two at once.
  const seek = FULL
    ? (to, index = 0, at = edge(index, video)) => at < 0 || (at > to ? go(index & 1 ? to : at) : seek(to, index + 1))
    : go;
  const segmentStart = () => decodeTime(bodies[INIT], bodies[SEGMENT]) + buffer?.timestampOffset;
  const create = () => {
    buffer = source.addSourceBuffer(type);
    listen(buffer, 'updateend', () => {
      if (buffer.updating) return;
      // Which may have waited for this one to begin; where to begin the picture says first.
      if (FULL) (main ?? sound)?._tell(OPENED, 1000 * options.patience);
      if (source.readyState == 'open') tell(UPDATED);
      else lose();
    });
  };
  const put = () => buffer.appendBuffer(bodies[INIT]);

  // What the two have to know of each other. Names that begin with `_` are known here alone, and the build shortens them.
  const me = {
    _seek: seek,
    _report: report,
    _edge: edge,
    _tell: tell,
    _create: create,
    _put: put,
    _source: () => [source, listeners],
    // Where the current run is put, once that is known.
    _offset: () => (buffer && !buffer.updating ? buffer.timestampOffset : NaN),
    // The playlist, whatever is under way, and whatever variants there are: with none of them there would be the other of the two.
    _lack(status) {
      requests[0] = requests[0]?.abort();
      const kept = variants;
      variants = [];
      tell(FAILED, status);
      variants = kept;
    },
    _attach(...now) {
      [source, listeners] = now;
      buffer = me._waits = me._isDone = null;
    },
    _close() {
      stopped ??= main;
      close();
    },
  };

  const imports = [
    load,
    (resource) => (requests[resource] = requests[resource]?.abort()),
    (resource, start) =>
      attempt(() => {
        const other = main ?? sound;
        if (resource == INIT) {
          const wanted = `video/mp4;codecs="${tracks(bodies[INIT]).map((track) => track[2])}"`;
          // Chromium takes an init of one track behind one of two, and shows nothing of what follows.
          if (buffer && /,/.test(type) > /,/.test(wanted) && /^G/.test(navigator.vendor)) throw { name: '' };
          // Not before the media: WebKit's abort() forgets the init.
          buffer?.abort();
          if (wanted != type) buffer?.changeType?.(wanted);
          // Not what the engine has refused.
          type = wanted;
          if (!buffer) {
            if (FULL && other) {
              // The first init that is appended closes the MediaSource to another SourceBuffer.
              me._waits = 1;
              if (!other._waits) return;
              other._create();
            }
            create();
            if (FULL) other?._put();
          }
        } else {
          if (FULL && start >= 0 && other) {
            // Picture and sound are put by the same offset, which the picture finds. What the clock alone leads to stays there,
            // lest a segment that one of them has lost moves it away from the other: behind a hole.
            const gap = segmentStart() - start;
            if (gap > -OVERLAP_S_MAX && gap < HOLE_S_MAX) start = -1;
            else if (main) {
              const offset = main._offset();
              if (offset - buffer.timestampOffset) {
                buffer.timestampOffset = offset;
                me._waits = 1;
                start = -1;
              }
              // Not yet: the same bytes are tried again. But it may be the clock of the sound alone that has changed.
              else if (++me._waits & WAITS) throw { name: 'Q' };
            }
          }
          buffer.mode = start < 0 ? 'segments' : 'sequence';
          // Otherwise a run begins behind all that has been appended: where the picture is longer than the sound there is a hole,
          // and other engines stand still before that. WebKit goes over it, but where a run begins in the last frame it shows the
          // picture from the key frame before on again.
          // So it does where nearly everything has been played: what a decoder has read is not to be overlapped by the new run, of
          // which all up to its second key frame would be lost.
          if (start - video.currentTime > READ_S_MAX && !/^A/.test(navigator.vendor)) buffer.timestampOffset = start;
        }
        if (FULL && main && resource == SEGMENT && edge(0) < 0) {
          // Of the sound nothing is appended that would come before the picture: WebKit's page stands still for a minute where the
          // playhead leaves it behind.
          if (main._edge(0) < 0) throw { name: 'Q' };
          buffer.appendWindowStart = main._edge(0);
        }
        buffer.appendBuffer(bodies[resource]);
      }),
    (end) => attempt(() => buffer.remove(0, end)),
    // The picture leads: the sound moves the playhead across its own holes, and not back. It may be seeking: that ends in no hole.
    // Where it goes at first is the picture's to say, whose seek may be lost, since it may come before there is metadata of both.
    FULL && main ? (to) => video.currentTime < to && main._seek(to) : seek,
    (isHurrying) => {
      // Another rate is the page's own, or the viewer's.
      if (!(FULL && main) && video.playbackRate == 1.1 - isHurrying / 10) video.playbackRate = 1 + isHurrying / 10;
    },
    () => {
      if (FULL && (main ?? sound)) {
        me._isDone = 1;
        if (!(main ?? sound)._isDone) return;
      }
      attempt(() => source.endOfStream());
    },
    // Where another one has been put in its place, that is why.
    FULL && main ? () => source.readyState == 'closed' || queueMicrotask(lose) : attach,
    FULL && main ? main._close : close,
    (index) => text.charCodeAt(index),
    // That the MediaSource is lost is told once.
    FULL && main ? (code) => code == 1 || main._report(code) : report,
    (seconds) => (FULL && main) || dispatch('playerlatency', seconds),
    () => video.currentTime,
    edge,
    () => (video.readyState < 3) | ((!video.playbackRate || video.paused) << 1) | ((source.streaming == false) << 2),
    segmentStart,
    FULL &&
      ((limit, goesUp) => {
        const now = variants.findIndex((variant) => variant.url === url);
        // None is better than the picture's size can show.
        const wanted = (video.clientHeight || 1e4) * devicePixelRatio;
        let best = -1;
        variants.map((variant, index) => {
          // Below zero the one that is played is lost.
          if (goesUp || index == now) variant._isLost = index == now && limit < 0;
          const fits = best < 0 || (variant._bandwidth <= Math.abs(limit) && !(variants[best]._height >= wanted));
          if (!variant._isLost && fits) best = index;
        });
        if (best < 0 || best == now || (best > now && limit >= 0 && !goesUp)) return 0;
        url = variants[best].url;
        return 1;
      }),
  ];

  WebAssembly.instantiate(bytes, { a: imports }).then(
    ({ instance }) => {
      if (stopped) return;
      core = instance.exports;
      if (FULL && main) {
        me._attach(...main._source());
        if (source.readyState == 'open') tell(OPENED, 1000 * options.patience);
      } else attach();
      tell(WOKEN);
    },
    () => stopped || report(NO_WEB_ASSEMBLY),
  );
  if (FULL && main) return me;
  return {
    stop() {
      if (stopped) return;
      close((stopped = 1));
      video.removeAttribute('src');
      video.load();
    },
  };
}

// The body is shorter than declared. Where the answer was compressed, the length is that of the compressed
// body, and other origins don't show that it was: so only what compression cannot explain counts.
const isShort = (headers, length) =>
  !headers.get('content-encoding') && headers.get('content-length') > 64 + length * 1.001;
