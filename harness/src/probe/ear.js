// The ear: hears when the fixture's beeps begin (fixtures/README.md). In the page only if its scenario asks by
// `[expect] av_sync`, behind the probe and at speed 1.
//
// It takes the sound away from the loudspeaker and listens on the audio thread, where a busy page delays the news
// but not the count of samples. Pages mute their video so that it may play at once, and engines then mute what is
// listened to as well: so the page's `muted` and `volume` are kept for the page alone.
(() => {
  'use strict';
  const { eye: { log }, error } = window.__segproofEar;
  delete window.__segproofEar;
  const now = performance.now.bind(performance);

  const LISTENER = `registerProcessor('segproof-ear', class extends AudioWorkletProcessor {
    quiet = 0;
    process([input]) {
      if (!this.isHere) this.port.postMessage(null);
      this.isHere = true;
      const samples = input[0] ?? new Float32Array(128);
      for (let i = 0; i < samples.length; i++) {
        if (Math.abs(samples[i]) < 0.05) this.quiet++;
        else {
          // Within a beep the wave is never quiet for long.
          if (this.quiet > 0.2 * sampleRate) this.port.postMessage(currentTime + i / sampleRate);
          this.quiet = 0;
        }
      }
      return true;
    }
  })`;

  // Output is fractions of a second behind, never ahead; a stamp further off counts from another zero.
  const STAMP_AGE_MS = 10_000;
  const CLOCK_STEP_MS = 1;

  // Makes the element loud; the page reads what it has set.
  const unmute = (element) => {
    const page = {};
    for (const [name, loud] of [['muted', false], ['volume', 1]]) {
      const { get, set } = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, name);
      page[name] = get.call(element);
      if (page[name] !== loud) hidden++;
      set.call(element, loud);
      Object.defineProperty(element, name, {
        configurable: true,
        get: () => page[name],
        set(value) {
          const was = page[name];
          set.call(element, value); // For what it makes of the value, and what it throws.
          page[name] = get.call(element);
          set.call(element, loud);
          hidden += page[name] === loud ? 0 : 2;
          if (page[name] !== was) queueMicrotask(() => element.dispatchEvent(new Event('volumechange')));
        },
      });
    }
  };
  // Native `volumechange` events that are not the page's doing and have yet to fire.
  let hidden = 0;
  addEventListener('volumechange', (event) => {
    if (!event.isTrusted || hidden === 0) return;
    hidden--;
    event.stopImmediatePropagation();
  }, true);

  const listen = async (element) => {
    unmute(element);
    const context = new AudioContext();
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([LISTENER], { type: 'text/javascript' })));
    const ear = new AudioWorkletNode(context, 'segproof-ear', { channelCount: 1, channelCountMode: 'explicit' });
    // WPE's performanceTime counts from another zero (minutes to hours off), and WebKitGTK's goes ahead twice as fast as the
    // page's clock: there, what the context renders now.
    const heardAt = () => {
      const stamp = context.getOutputTimestamp();
      const ageMs = now() - stamp.performanceTime;
      const isOfThisClock = ageMs > -CLOCK_STEP_MS && ageMs < STAMP_AGE_MS;
      return isOfThisClock ? stamp : { contextTime: context.currentTime, performanceTime: now() };
    };
    ear.port.onmessage = ({ data: at }) => {
      if (at === null) return log('ear', { error: null });
      const { contextTime, performanceTime } = heardAt();
      log('beep', { ago_ms: now() - (performanceTime + (at - contextTime) * 1000) });
    };
    context.createMediaElementSource(element).connect(ear).connect(context.destination);
    await context.resume();
  };
  let isListening = false;
  addEventListener('loadstart', ({ target }) => {
    if (isListening || !(target instanceof HTMLVideoElement)) return;
    isListening = true;
    if (error) return log('ear', { error });
    listen(target).catch((reason) => log('ear', { error: String(reason) }));
  }, true);
})();
