// Time runs SPEED times faster for everything the page's own scripts can see, in agreement: clocks, timers,
// time-outs, timestamps of frames and events, and the rate of media. Reading back gives what the page set.
//
// Not warped: script execution, decoding, loopback latency, the frequency of timeupdate and the browser's own
// throttling. They look SPEED times longer, which is why timed rules know their speed. Nor are warped, because
// no player was seen to use them: performance entries, Temporal, scheduler, requestIdleCallback, animations,
// workers and frames within the page.
(() => {
  'use strict';
  const SPEED = window.__segproofSpeed;
  delete window.__segproofSpeed;

  // Replaces a function by one that calls it. A proxy keeps its name, length, text and demands on `this`.
  const wrap = (owner, name, instead) => {
    const native = owner && owner[name];
    if (typeof native !== 'function') return;
    owner[name] = new Proxy(native, { apply: (_, self, args) => instead((...now) => Reflect.apply(native, self, now), args, self) });
  };
  const property = (owner, name) => Object.getOwnPropertyDescriptor(owner, name);

  // --- Clocks --------------------------------------------------------------------------------------------
  const nativeNow = performance.now.bind(performance);
  // Times since the page's time origin simply scale, so that event.timeStamp, performance.now() and Date agree.
  const warp = (ms) => ms * SPEED;
  const dateNow = () => Math.floor(performance.timeOrigin + warp(nativeNow()));
  wrap(Performance.prototype, 'now', (native) => warp(native()));
  const NativeDate = Date;
  wrap(NativeDate, 'now', dateNow);
  window.Date = new Proxy(NativeDate, {
    construct: (target, args, self) => Reflect.construct(target, args.length ? args : [dateNow()], self),
    apply: () => new NativeDate(dateNow()).toString(),
  });
  NativeDate.prototype.constructor = window.Date;
  const stamp = property(Event.prototype, 'timeStamp');
  Object.defineProperty(Event.prototype, 'timeStamp', { ...stamp, get() { return warp(stamp.get.call(this)); } });

  // --- Timers --------------------------------------------------------------------------------------------
  // Browsers cut a delay down to whole milliseconds; rounding up, none ends early, and none becomes "never".
  const unwarp = (ms) => Math.ceil(ms / SPEED);
  for (const name of ['setTimeout', 'setInterval']) {
    // A delay is a 32-bit integer (HTML, timers): larger ones wrap around.
    wrap(window, name, (native, [action, ms, ...args]) => native(action, unwarp(ms | 0), ...args));
  }
  wrap(AbortSignal, 'timeout', (native, args) => native(...(args.length ? [unwarp(args[0])] : args)));
  const timeout = property(XMLHttpRequest.prototype, 'timeout');
  const timeouts = new WeakMap();
  Object.defineProperty(XMLHttpRequest.prototype, 'timeout', {
    ...timeout,
    get() { return timeouts.has(this) ? timeouts.get(this) : timeout.get.call(this); },
    set(ms) {
      timeout.set.call(this, unwarp(ms));
      timeouts.set(this, ms >>> 0);
    },
  });

  // --- Frames --------------------------------------------------------------------------------------------
  const isCallable = ([action]) => typeof action === 'function';
  wrap(window, 'requestAnimationFrame', (native, args) =>
    (isCallable(args) ? native((at) => args[0](warp(at))) : native(...args)));
  const TIMES = ['presentationTime', 'expectedDisplayTime', 'captureTime', 'receiveTime'];
  wrap(HTMLVideoElement.prototype, 'requestVideoFrameCallback', (native, args) => {
    if (!isCallable(args)) return native(...args);
    return native((at, metadata) => {
      const warped = { ...metadata };
      for (const name of TIMES) if (name in warped) warped[name] = warp(warped[name]);
      args[0](warp(at), warped);
    });
  });

  // --- Rates ---------------------------------------------------------------------------------------------
  // An element starts at 1 and is put back to its default rate by each load, so the default is warped as soon
  // as the element is seen.
  const media = HTMLMediaElement.prototype;
  const rate = property(media, 'playbackRate');
  const defaultRate = property(media, 'defaultPlaybackRate');
  const seen = new WeakSet();
  // `ratechange` events of our own doing that have yet to fire. A load drops them (HTML, media element load).
  const ours = new WeakMap();
  const hideOurs = (event) => {
    const left = ours.get(event.target) || 0;
    if (left === 0 || !event.isTrusted) return;
    ours.set(event.target, left - 1);
    event.stopImmediatePropagation();
  };
  addEventListener('ratechange', hideOurs, true);
  const see = (element) => {
    if (seen.has(element) || !(element instanceof HTMLMediaElement)) return;
    seen.add(element);
    const isAttached = element.isConnected && element.getRootNode() === document;
    // Out of the document the event does not pass the window; at the element this comes before what bubbles.
    if (!isAttached) element.addEventListener('ratechange', hideOurs, true);
    for (const { get, set } of [defaultRate, rate]) set.call(element, get.call(element) * SPEED);
    ours.set(element, 2);
  };
  for (const [name, native] of [['playbackRate', rate], ['defaultPlaybackRate', defaultRate]]) {
    Object.defineProperty(media, name, {
      ...native,
      get() { see(this); return native.get.call(this) / SPEED; },
      set(value) { see(this); native.set.call(this, value * SPEED); },
    });
  }
  const loads = (element, native) => {
    see(element);
    native();
    ours.delete(element);
  };
  wrap(media, 'play', (native, args, self) => { see(self); return native(...args); });
  wrap(media, 'load', (native, args, self) => loads(self, () => native(...args)));
  for (const name of ['src', 'srcObject']) {
    const native = property(media, name);
    Object.defineProperty(media, name, { ...native, set(value) { loads(this, () => native.set.call(this, value)); } });
  }
  // autoplay without a call of play().
  for (const type of ['loadstart', 'loadedmetadata', 'play']) {
    addEventListener(type, ({ target }) => { if (target instanceof HTMLMediaElement) see(target); }, true);
  }
})();
