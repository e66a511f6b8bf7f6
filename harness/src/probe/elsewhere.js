// What comes before the probe in a page that somebody else serves, where WebDriver BiDi runs it in each new document of
// the tab. A function of the channel to the trial, the probe's address and the suite's hosts; says whether the document
// is one to be watched, and tells the trial what makes that impossible: what is not seen is no player's fault.
(tell, probe, hosts) => {
  'use strict';
  if (window !== window.top) {
    // Two documents are two clocks and two lanes, so one is watched: the page itself.
    addEventListener('loadstart', ({ target }) => {
      if (target instanceof HTMLVideoElement) tell('a video is in a frame of the page, and only the page itself is watched');
    }, true);
    return false;
  }
  if (!new URLSearchParams(location.search).has('src')) {
    tell(`the page's server led to ${location.origin}${location.pathname} without ?src=`);
    return false;
  }
  addEventListener('securitypolicyviolation', ({ disposition, blockedURI, effectiveDirective }) => {
    const [, host] = /^\w+:\/\/([^/]+)/.exec(blockedURI) || [];
    if (disposition !== 'enforce' || !hosts.includes(host)) return;
    tell(`the page's Content Security Policy (${effectiveDirective}) keeps it from ${blockedURI}, where the suite is`);
  });
  addEventListener('DOMContentLoaded', () => {
    const [{ responseStatus } = {}] = performance.getEntriesByType('navigation');
    if (responseStatus >= 400) tell(`the page's server answered with status ${responseStatus}`);
  });
  const blocked = (why) => tell(`the browser keeps the page from the suite at ${probe}: ${why}`);
  try {
    const socket = new WebSocket(probe);
    socket.addEventListener('error', () => blocked('its console knows the reason'));
    window.__segproofSocket = socket;
  } catch (error) {
    // Where a policy is the reason, its own event has the better words, and comes first.
    setTimeout(() => blocked(error));
    return false;
  }
  return true;
}
