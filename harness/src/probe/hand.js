// The hand of a person who has opened the page himself (`cargo xtask serve`): what it does to a media element is told as an
// action of the viewer's, so that no player is blamed for it. Behind the probe; no WebDriver touches a page.
// What happens to an element within TOUCH_MS of a pointer or a key is taken for the hand's, and a `play` behind a pause of the
// hand's in any case. So a player's own doing within that second is excused. A media key, a headset and the context menu
// are no touch of the page: what they do is the player's here.
(() => {
  'use strict';
  const { eye } = window.__segproofHand;
  delete window.__segproofHand;
  const TOUCH_MS = 1000;
  const ACTIONS = { pause: 'pause', play: 'play', seeking: 'seek' };
  const now = performance.now.bind(performance);
  const soon = setTimeout.bind(window);
  const seen = new Set();
  const tell = (what, note) => {
    eye.log('action', { what, note, error: null });
    eye.flush();
  };

  // A browser that nobody has told otherwise plays nothing with sound before a gesture, and says so of an element that has no
  // media yet, if it is for sound: WebKit lets a video without sound be.
  let isDenied = false;
  document.createElement('audio').play().catch(({ name }) => {
    if (name !== 'NotAllowedError' || navigator.userActivation?.hasBeenActive) return;
    isDenied = true;
    tell('autoplay-denied', 'by the browser, before a gesture');
  });

  let touchedAt = -Infinity;
  // A player without a button of its own has nothing else that would begin. Behind the page's own listeners: a button of its
  // may have begun already, and would stop what plays. Whether it may play by now, the browser says by `play`.
  const begin = () => {
    for (const element of seen) if (isDenied && element.paused) element.play().catch(() => {});
  };
  const touch = ({ isTrusted, type, buttons }) => {
    if (!isTrusted || (type === 'pointermove' && !buttons)) return;
    touchedAt = now();
    if (isDenied && (type === 'click' || type === 'keyup')) soon(begin);
  };
  for (const type of ['pointerdown', 'pointermove', 'pointerup', 'pointercancel', 'click', 'keydown', 'keyup']) {
    addEventListener(type, touch, true);
  }

  let hasPaused = false;
  eye.hear(({ type, target }) => {
    seen.add(target);
    const what = ACTIONS[type];
    if (!what) return;
    const isTouched = now() - touchedAt < TOUCH_MS;
    const isOwed = type === 'play' && (isDenied || hasPaused);
    if (!isTouched && !isOwed) return;
    tell(what, `at ${target.currentTime.toFixed(3)}, ${isTouched ? 'by hand' : 'behind a pause'}`);
    if (type === 'play') isDenied = hasPaused = false;
    if (type === 'pause') hasPaused = true;
  });

  const look = () => tell(document.hidden ? 'hide' : 'show', 'by hand');
  if (document.hidden) look();
  addEventListener('visibilitychange', ({ isTrusted }) => { if (isTrusted) look(); }, true);
})();
