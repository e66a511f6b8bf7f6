// Time runs SPEED times faster for everything the page's own scripts can see, in agreement: clocks, timers,
// time-outs, timestamps of frames and events, and the rate of media. Reading back gives what the page set.
//
// Not warped: script execution, decoding, loopback latency, the frequency of timeupdate and the browser's own
// throttling. They look SPEED times longer, which is why timed rules know their speed.
(() => {
  'use strict';
  const SPEED = window.__segproofSpeed;

  const nativeNow = performance.now.bind(performance);
  const NativeDate = Date;
  const startDate = NativeDate.now();
  const startNow = nativeNow();
  // Times since the page's time origin simply scale, so that event.timeStamp and performance.now() agree.
  const warp = (ms) => ms * SPEED;
  performance.now = () => warp(nativeNow());
  const dateNow = () => Math.floor(startDate + (nativeNow() - startNow) * SPEED);
  window.Date = new Proxy(NativeDate, {
    construct: (target, args, self) => Reflect.construct(target, args.length ? args : [dateNow()], self),
    apply: () => new NativeDate(dateNow()).toString(),
    get: (target, key, self) => (key === 'now' ? dateNow : Reflect.get(target, key, self)),
  });
  NativeDate.prototype.constructor = window.Date;

  for (const name of ['setTimeout', 'setInterval']) {
    const native = window[name].bind(window);
    window[name] = (action, ms = 0, ...args) => native(action, ms / SPEED, ...args);
  }
  if (AbortSignal.timeout) {
    const native = AbortSignal.timeout.bind(AbortSignal);
    AbortSignal.timeout = (ms) => native(ms / SPEED);
  }
  const property = (owner, name) => Object.getOwnPropertyDescriptor(owner, name);
  const scale = (owner, name, read, write) => {
    const native = property(owner, name);
    if (!native || !native.get) return;
    Object.defineProperty(owner, name, {
      ...native,
      get() { return read(native.get.call(this)); },
      ...(native.set && write && { set(value) { native.set.call(this, write(value)); } }),
    });
  };
  scale(XMLHttpRequest.prototype, 'timeout', (ms) => ms * SPEED, (ms) => ms / SPEED);
  scale(Event.prototype, 'timeStamp', warp);

  const frame = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (action) => frame((at) => action(warp(at)));
  const video = HTMLVideoElement.prototype;
  const nativeFrame = video.requestVideoFrameCallback;
  if (nativeFrame) {
    const TIMES = ['presentationTime', 'expectedDisplayTime', 'captureTime', 'receiveTime'];
    video.requestVideoFrameCallback = function requestVideoFrameCallback(action) {
      return nativeFrame.call(this, (at, metadata) => {
        const warped = { ...metadata };
        for (const name of TIMES) if (name in warped) warped[name] = warp(warped[name]);
        action(warp(at), warped);
      });
    };
  }

  // Rates. An element starts at 1 and is put back to its default rate by each load, so the default is warped as
  // soon as the element is seen.
  const media = HTMLMediaElement.prototype;
  const rate = property(media, 'playbackRate');
  const defaultRate = property(media, 'defaultPlaybackRate');
  const seen = new WeakSet();
  const see = (element) => {
    if (seen.has(element)) return;
    seen.add(element);
    defaultRate.set.call(element, defaultRate.get.call(element) * SPEED);
    rate.set.call(element, rate.get.call(element) * SPEED);
  };
  for (const [name, native] of [['playbackRate', rate], ['defaultPlaybackRate', defaultRate]]) {
    Object.defineProperty(media, name, {
      ...native,
      get() { see(this); return native.get.call(this) / SPEED; },
      set(value) { see(this); native.set.call(this, value * SPEED); },
    });
  }
  for (const name of ['play', 'load']) {
    const native = media[name];
    media[name] = function () { see(this); return native.apply(this, arguments); };
  }
  for (const name of ['src', 'srcObject']) {
    const native = property(media, name);
    Object.defineProperty(media, name, { ...native, set(value) { see(this); native.set.call(this, value); } });
  }
  // autoplay without a call of play().
  for (const type of ['loadstart', 'loadedmetadata', 'play']) {
    addEventListener(type, ({ target }) => { if (target instanceof HTMLMediaElement) see(target); }, true);
  }
})();
