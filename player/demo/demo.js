// The player on a live stream, with what it has buffered, how far behind it is, and what has happened. The stream is what
// `?src=` says.
import './live-video.js';

const LOOKS_MS = 250;
const HISTORY_S = 60;
const BEHIND_S = 10, AHEAD_S = 20;
const LOGGED_MAX = 200;

const by = (id) => document.getElementById(id);
const element = document.querySelector('live-video');
const video = document.querySelector('video');
const form = document.querySelector('form');

const seconds = (value) => `${value.toFixed(1)} s`;

const log = (what, isBad) => {
  const line = document.createElement('li');
  line.textContent = `${seconds(performance.now() / 1000).padStart(9)}  ${what}`;
  line.classList.toggle('bad', Boolean(isBad));
  by('log').prepend(line);
  while (by('log').children.length > LOGGED_MAX) by('log').lastChild.remove();
};

let latency;
element.addEventListener('playerlatency', ({ detail }) => {
  latency = detail;
  by('latency').textContent = seconds(detail);
});
element.addEventListener('playererror', ({ detail }) => {
  log(`${detail.message}${detail.fatal ? ': the session is over' : ''}`, true);
  // The suite wants to know of it.
  dispatchEvent(new CustomEvent('segproof-error', { detail }));
});
for (const name of ['loadstart', 'loadedmetadata', 'playing', 'waiting', 'pause', 'seeking', 'ratechange', 'ended', 'resize'])
  video.addEventListener(name, () => {
    const more = { ratechange: ` to ${video.playbackRate}`, seeking: ` to ${seconds(video.currentTime)}`, resize: ` ${video.videoWidth} x ${video.videoHeight}` };
    log(name + (more[name] ?? ''), name == 'waiting');
  });

const ranges = () =>
  Array.from(video.buffered, (_, index) => [video.buffered.start(index), video.buffered.end(index)]);

const isStanding = () => !video.paused && !video.ended && video.readyState < 3;

// A canvas as large as it is shown, and its colours.
const sheet = (id) => {
  const canvas = by(id);
  const scale = devicePixelRatio;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const size = [width, height].map((length) => Math.round(length * scale));
  if (canvas.width != size[0] || canvas.height != size[1]) [canvas.width, canvas.height] = size;
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(`--${name}`);
  pen.font = '11px system-ui, sans-serif';
  return { pen, width, height, colour };
};

const drawBuffer = () => {
  const { pen, width, height, colour } = sheet('buffer');
  const x = (at) => ((at - video.currentTime + BEHIND_S) / (BEHIND_S + AHEAD_S)) * width;
  for (let at = -BEHIND_S; at < AHEAD_S; at += 5) {
    pen.fillStyle = colour('faint');
    pen.fillRect(x(video.currentTime + at), 0, 1, height);
    pen.fillStyle = colour('ink');
    pen.fillText(`${at} s`, x(video.currentTime + at) + 3, height - 4);
  }
  pen.fillStyle = colour('ahead');
  for (const [start, end] of ranges()) pen.fillRect(x(start), 10, x(end) - x(start), 22);
  pen.fillStyle = colour(isStanding() ? 'stall' : 'ink');
  pen.fillRect(x(video.currentTime) - 1, 2, 2, 38);
};

const history = [];

const drawHistory = () => {
  const { pen, width, height, colour } = sheet('history');
  const now = performance.now() / 1000;
  const x = (at) => (1 - (now - at) / HISTORY_S) * width;
  const top = Math.max(10, ...history.map((look) => Math.max(look.latency ?? 0, look.ahead)));
  const y = (value) => height - 4 - (value / top) * (height - 18);
  pen.fillStyle = colour('stall');
  pen.globalAlpha = 0.35;
  for (const look of history) if (look.isStanding) pen.fillRect(x(look.at), 0, (LOOKS_MS / 1000 / HISTORY_S) * width + 1, height);
  pen.globalAlpha = 1;
  for (const name of ['latency', 'ahead']) {
    pen.strokeStyle = colour(name);
    pen.lineWidth = 2;
    pen.beginPath();
    for (const look of history) if (look[name] !== undefined) pen.lineTo(x(look.at), y(look[name]));
    pen.stroke();
  }
  pen.fillStyle = colour('ink');
  pen.fillText(seconds(top), 3, 12);
};

const look = () => {
  const now = video.currentTime;
  const ahead = ranges().reduce((found, [start, end]) => (start <= now && now < end ? end - now : found), 0);
  const at = performance.now() / 1000;
  history.push({ at, ahead, latency, isStanding: isStanding() });
  while (history[0].at < at - HISTORY_S) history.shift();
  by('ahead').textContent = seconds(ahead);
  const quality = video.getVideoPlaybackQuality();
  by('shown').textContent = quality.totalVideoFrames - quality.droppedVideoFrames;
  by('dropped').textContent = quality.droppedVideoFrames;
  drawBuffer();
  drawHistory();
};

const src = new URLSearchParams(location.search).get('src');
if (src) {
  form.elements.src.value = src;
  element.setAttribute('src', src);
}
setInterval(look, LOOKS_MS);
