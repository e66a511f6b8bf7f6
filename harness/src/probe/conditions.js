// The viewer's side of a scenario: what the viewer, the machine and the engine do to the page, at the moments that
// the trial commands. In the page only if its scenario has actions or conditions, behind the probe and the warp:
// so every time here is stream time, and what is done here does not pass for the page's own doing.
//
// No WebDriver hides a tab, takes the network away or fills a SourceBuffer alike in each engine. So the page is
// shown it, by the functions and events through which a page can see it. Known to be simpler than life: a hidden
// page's timers are held back whether they are chained or not, and whether or not it sounds; a SourceBuffer whose
// updateend was lost lets `mode`, `timestampOffset`, changeType and endOfStream pass.
(() => {
  'use strict';
  const settings = window.__segproofConditions;
  delete window.__segproofConditions;
  const { eye } = settings;
  const { wrap, log } = eye;
  const now = performance.now.bind(performance);
  const later = setTimeout.bind(window);
  const property = (owner, name) => Object.getOwnPropertyDescriptor(owner, name);
  // Replaces what reading a property gives.
  const read = (owner, name, instead) => {
    const native = property(owner, name);
    Object.defineProperty(owner, name, { ...native, get() { return instead(native.get.call(this), this); } });
  };
  const tell = (what, note = '', error = null) => {
    log('action', { what, note, error });
    eye.flush();
  };

  // --- Hidden --------------------------------------------------------------------------------------------
  let isHidden = false;
  let hiddenAt = 0;
  read(Document.prototype, 'hidden', (is) => isHidden || is);
  read(Document.prototype, 'visibilityState', (is) => (isHidden ? 'hidden' : is));

  // Frames are not drawn: callbacks wait until they are again.
  const heldFrames = [];
  const holdFrames = (owner, request, cancel) => {
    const handles = new Map();
    const held = new Map();
    heldFrames.push(held);
    let count = 0;
    wrap(owner, request, (native) => function (action) {
      if (typeof action !== 'function') return native.apply(this, arguments);
      const id = ++count;
      const ask = () => handles.set(id, native.call(this, (...args) => {
        handles.delete(id);
        if (isHidden) held.set(id, ask);
        else action(...args);
      }));
      if (isHidden) held.set(id, ask);
      else ask();
      return id;
    });
    wrap(owner, cancel, (native) => function (id) {
      held.delete(id);
      native.call(this, handles.get(id) || 0);
      handles.delete(id);
    });
  };
  holdFrames(window, 'requestAnimationFrame', 'cancelAnimationFrame');
  holdFrames(HTMLVideoElement.prototype, 'requestVideoFrameCallback', 'cancelVideoFrameCallback');

  // Timers fire once a second, and once a minute when the page has been hidden for five.
  const TICK_MS = 1000, INTENSIVE_TICK_MS = 60_000, INTENSIVE_AFTER_MS = 300_000;
  const alive = new Set();
  const waiting = new Map();
  let isTicking = false;
  const release = () => {
    const runs = [...waiting.values()];
    waiting.clear();
    // A task each: one that throws must not keep the others from running.
    for (const run of runs) later(run, 0);
  };
  const hold = (id, run) => {
    waiting.set(id, run);
    if (isTicking) return;
    isTicking = true;
    const since = now() - hiddenAt;
    const tick = since < INTENSIVE_AFTER_MS ? TICK_MS : INTENSIVE_TICK_MS;
    later(() => { isTicking = false; release(); }, tick - (since % tick));
  };
  for (const name of ['setTimeout', 'setInterval']) {
    wrap(window, name, (native) => function (action, ms, ...args) {
      if (typeof action !== 'function') return native.apply(this, arguments);
      const run = () => {
        if (!alive.has(id)) return;
        if (name === 'setTimeout') alive.delete(id);
        action.apply(window, args);
      };
      const id = native.call(this, () => (isHidden ? hold(id, run) : run()), ms);
      alive.add(id);
      return id;
    });
  }
  for (const name of ['clearTimeout', 'clearInterval']) {
    wrap(window, name, (native) => function (id) {
      alive.delete(id);
      waiting.delete(id);
      return native.apply(this, arguments);
    });
  }
  const setHidden = (is) => {
    isHidden = is;
    hiddenAt = now();
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
    if (is) return;
    for (const held of heldFrames) {
      const asks = [...held.values()];
      held.clear();
      for (const ask of asks) ask();
    }
    release();
  };

  // --- Offline -------------------------------------------------------------------------------------------
  let isOffline = false;
  read(Navigator.prototype, 'onLine', (is) => is && !isOffline);
  const setOffline = (is) => {
    isOffline = is;
    window.dispatchEvent(new Event(is ? 'offline' : 'online'));
  };

  // --- The wall clock ------------------------------------------------------------------------------------
  let offMs = settings.clock_ms;
  const ThisDate = Date;
  wrap(ThisDate, 'now', (native) => () => native.call(ThisDate) + offMs);
  window.Date = new Proxy(ThisDate, {
    construct: (target, args, self) => Reflect.construct(target, args.length ? args : [ThisDate.now()], self),
    apply: () => new ThisDate(ThisDate.now()).toString(),
  });
  ThisDate.prototype.constructor = window.Date;

  // --- Playing and seeking -------------------------------------------------------------------------------
  const media = HTMLMediaElement.prototype;
  const { play, pause } = media;
  const currentTime = property(media, 'currentTime');
  const autoplay = property(media, 'autoplay');
  let isDenied = settings.autoplay_denied;
  wrap(media, 'play', (native) => function () {
    if (!isDenied) return native.apply(this, arguments);
    const why = "play() failed because the user didn't interact with the document first.";
    return Promise.reject(new DOMException(why, 'NotAllowedError'));
  });
  if (isDenied) {
    // An attribute that is gone by the next microtask never has an effect: that takes a whole buffer.
    const strip = (node) => {
      if (node instanceof HTMLMediaElement) node.removeAttribute('autoplay');
      else for (const inner of node.querySelectorAll?.('[autoplay]') ?? []) strip(inner);
    };
    new MutationObserver((changes) => {
      for (const { target, addedNodes } of isDenied ? changes : []) [target, ...addedNodes].forEach(strip);
    }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['autoplay'] });
    const wanted = new WeakMap();
    Object.defineProperty(media, 'autoplay', {
      ...autoplay,
      get() { return wanted.get(this) ?? autoplay.get.call(this); },
      set(is) {
        if (isDenied) wanted.set(this, !!is);
        else autoplay.set.call(this, is);
      },
    });
    tell('autoplay-denied');
  }
  const video = () => {
    const found = eye.video() || document.querySelector('video');
    if (!found) throw new Error('the page has no video');
    return found;
  };
  const liveEdge = ({ seekable, buffered }) => {
    const ranges = seekable.length ? seekable : buffered;
    if (!ranges.length) throw new Error('nothing is buffered');
    return ranges.end(ranges.length - 1);
  };
  const seek = ({ place, s }) => {
    const element = video();
    const from = currentTime.get.call(element);
    const to = { time: () => s, by: () => Math.max(0, from + s), live: () => liveEdge(element) }[place]();
    currentTime.set.call(element, to);
    tell('seek', `from ${from.toFixed(3)} to ${to.toFixed(3)}`);
  };

  // --- SourceBuffers -------------------------------------------------------------------------------------
  let quota = settings.quota_bytes;
  let isRefusing = false;
  // The updateend that is to get lost: the next one of any SourceBuffer, once its `update` came of that one.
  let losing = null;
  const states = new Map();
  const stateOf = (buffer) => {
    if (!states.has(buffer)) {
      states.set(buffer, { bytes: 0, seconds: 0, appending: 0, isStuck: false, evict: null, afterEviction: null, hidesStart: false });
    }
    return states.get(buffer);
  };
  const { updating } = Object.getOwnPropertyDescriptors(SourceBuffer.prototype);
  read(SourceBuffer.prototype, 'updating', (is, buffer) => is || stateOf(buffer).isStuck);
  const secondsIn = ({ buffered }) => {
    let seconds = 0;
    for (let i = 0; i < buffered.length; i++) seconds += buffered.end(i) - buffered.start(i);
    return seconds;
  };
  const failure = (name, message) =>
    (name in window ? new window[name](message) : new DOMException(message, name));

  // What it holds is not told by any engine: the bytes appended, less the share of the time that was removed.
  const account = (buffer, state) => {
    let seconds;
    try { seconds = secondsIn(buffer); } catch { return; } // Removed from its MediaSource.
    state.bytes += state.appending;
    state.appending = 0;
    if (seconds < state.seconds) state.bytes *= seconds / state.seconds;
    state.seconds = seconds;
  };
  const listeners = {
    updatestart(event, state) {
      if (!state.hidesStart) return;
      state.hidesStart = false;
      event.stopImmediatePropagation();
    },
    update(event, state) {
      if (losing && !state.afterEviction) losing = event.target;
      if (losing === event.target || state.afterEviction) event.stopImmediatePropagation();
    },
    updateend(event, state) {
      account(event.target, state);
      const { afterEviction } = state;
      if (afterEviction) {
        event.stopImmediatePropagation();
        state.afterEviction = null;
        afterEviction();
      } else if (losing === true || losing === event.target) {
        event.stopImmediatePropagation();
        losing = null;
        state.isStuck = true;
        tell('lose-updateend', `of SourceBuffer ${eye.idOf(event.target)}`);
      }
    },
  };
  for (const Source of new Set(eye.sources)) {
    wrap(Source.prototype, 'addSourceBuffer', (native) => function () {
      const buffer = native.apply(this, arguments);
      const state = stateOf(buffer);
      // First of all but the probe's, so that what stops here reaches no listener of the page.
      for (const type in listeners) buffer.addEventListener(type, (event) => listeners[type](event, state));
      return buffer;
    });
  }

  // Real engines drop media when they are appended to, so this is when.
  const evictThenAppend = (buffer, state, append, data) => {
    const [start, end] = state.evict;
    state.evict = null;
    const bytes = new Uint8Array(ArrayBuffer.isView(data) ? data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) : data.slice(0));
    eye.remove.call(buffer, start, end);
    state.afterEviction = () => {
      state.hidesStart = true;
      let error = null;
      try { append.call(buffer, bytes); } catch (e) { error = String(e); }
      tell('evict', `${start.toFixed(3)}-${end.toFixed(3)} from SourceBuffer ${eye.idOf(buffer)}`, error);
    };
  };
  // Between the page, whose call is being logged, and the engine.
  eye.between((name, buffer, native, args) => {
    const state = stateOf(buffer);
    if (name === 'abort') {
      const wasStuck = state.isStuck;
      state.isStuck = false;
      native.apply(buffer, args);
      if (wasStuck) later(() => { for (const type of ['abort', 'updateend']) buffer.dispatchEvent(new Event(type)); }, 0);
      return undefined;
    }
    if (state.isStuck) throw failure('InvalidStateError', 'This SourceBuffer is still processing an operation.');
    if (name !== 'appendBuffer' || updating.get.call(buffer)) return native.apply(buffer, args);
    const bytes = args[0]?.byteLength ?? 0;
    if (isRefusing || (quota !== null && state.bytes + bytes > quota)) {
      throw failure('QuotaExceededError', 'The SourceBuffer is full, and cannot free space to append additional buffers.');
    }
    const isEvicting = !!state.evict;
    if (isEvicting) evictThenAppend(buffer, state, native, args[0]);
    else native.apply(buffer, args);
    state.appending = bytes;
    return undefined;
  });

  // --- Commands ------------------------------------------------------------------------------------------
  const player = () => {
    if (!window.segproof) throw new Error('the page has no window.segproof');
    return window.segproof;
  };
  // Those that take their time, or are told before they happen, say so themselves.
  const deeds = {
    pause: () => { pause.call(video()); tell('pause'); },
    play() {
      isDenied = false;
      tell('play');
      // Whether it plays is judged by the picture.
      play.call(video()).catch(({ name }) => {
        // A browser at somebody's hand may want a gesture of his all the same.
        if (name === 'NotAllowedError') tell('autoplay-denied', 'by the browser');
      });
    },
    seek: ({ to }) => seek(to),
    stop: () => { player().stop(); tell('stop'); },
    start() {
      tell('start');
      player().start(new URLSearchParams(location.search).get('src'));
    },
    hide: () => { tell('hide'); setHidden(true); },
    show: () => { setHidden(false); tell('show'); },
    offline: () => { tell('offline'); setOffline(true); },
    online: () => { setOffline(false); tell('online'); },
    sleep: () => tell('sleep'),
    wake: () => tell('wake'),
    block({ ms }) {
      tell('block', `for ${ms} ms`);
      const end = now() + ms;
      while (now() < end);
      tell('unblock');
    },
    clock({ by_ms: byMs }) { offMs += byMs; tell('clock', `by ${byMs} ms`); },
    quota({ bytes }) {
      quota = bytes ?? quota;
      isRefusing = bytes === null;
      tell('quota', bytes === null ? 'refuses every append' : `${bytes} bytes`);
    },
    'quota-over': () => { quota = settings.quota_bytes; isRefusing = false; tell('quota-over'); },
    'lose-updateend': () => { losing = true; },
    evict({ range_s: range }) { for (const state of states.values()) state.evict = range; },
  };
  eye.obey((command) => {
    try { deeds[command.what](command); } catch (error) { tell(command.what, '', String(error)); }
  });
})();
