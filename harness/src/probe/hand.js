// The hand of a person who has opened the page himself (`cargo xtask serve`): what it does to the media element is told
// as an action of the viewer's, so that no player is blamed for it. Behind the probe; no WebDriver touches a page.
// A hand that moves within TOUCH_MS before an element is paused, played or sought is taken for the reason.
(() => {
  'use strict';
  const { eye } = window.__segproofHand;
  delete window.__segproofHand;
  const TOUCH_MS = 1000;
  const ACTIONS = { pause: 'pause', play: 'play', seeking: 'seek' };
  const now = performance.now.bind(performance);
  const { play } = HTMLMediaElement.prototype;
  const tell = (what, note) => {
    eye.log('action', { what, note, error: null });
    eye.flush();
  };

  // A browser that nobody has told otherwise plays nothing with sound before a gesture, and says so of any element.
  let isDenied = false;
  const allow = (note) => {
    if (!isDenied) return;
    isDenied = false;
    tell('play', note);
  };
  play.call(document.createElement('video')).catch(({ name }) => {
    if (name !== 'NotAllowedError' || navigator.userActivation?.hasBeenActive) return;
    isDenied = true;
    tell('autoplay-denied', 'by the browser, before a gesture');
  });

  let touchedAt = -Infinity;
  const touch = ({ isTrusted, type }) => {
    if (!isTrusted) return;
    touchedAt = now();
    // A gesture is done when the finger or the key is up.
    if (type === 'pointerdown' || !isDenied) return;
    allow('the first gesture');
    // A player without a button of its own has nothing else that would begin.
    for (const video of document.querySelectorAll('video')) if (video.paused) play.call(video).catch(() => {});
  };
  for (const type of ['pointerdown', 'pointerup', 'keydown', 'keyup']) addEventListener(type, touch, true);
  for (const [type, what] of Object.entries(ACTIONS)) {
    addEventListener(type, ({ target }) => {
      if (!(target instanceof HTMLMediaElement)) return;
      // One that plays without sound needs no gesture.
      if (type === 'play' && isDenied) allow('by the player');
      else if (now() - touchedAt < TOUCH_MS) tell(what, `at ${target.currentTime.toFixed(3)}, by hand`);
    }, true);
  }

  const look = () => tell(document.hidden ? 'hide' : 'show', 'by hand');
  if (document.hidden) look();
  addEventListener('visibilitychange', look, true);
})();
