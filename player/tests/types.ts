// What a page in TypeScript may write, and what its compiler tells it not to: see xtask/src/player/package.rs.
import { play, type PlayerError, type Session } from 'segproof-player';
import { play as playFull } from 'segproof-player/full';
import { LiveVideo } from 'segproof-player/live-video.js';

const video = document.createElement('video');
const session: Session = play('live.m3u8', video, { patience: 10, fetch: { credentials: 'include', cache: 'default', headers: { a: 'b' } } });
playFull('live.m3u8', video).stop();
session.stop();

video.addEventListener('playererror', ({ detail }) => {
  const { code, fatal, message }: PlayerError = detail;
  console.log(code > 1 === fatal, message.length);
});
video.addEventListener('playerlatency', ({ detail }) => console.log(detail.toFixed(1)));

const element: LiveVideo = document.createElement('live-video');
element.session?.stop();
element.video?.pause();

// @ts-expect-error A URL alone is not enough.
play('live.m3u8');
// @ts-expect-error Headers are a plain object.
play('live.m3u8', video, { fetch: { headers: [['a', 'b']] } });
// @ts-expect-error The player decides on it.
play('live.m3u8', video, { fetch: { signal: AbortSignal.timeout(9) } });
// @ts-expect-error There is no fourth one.
play('live.m3u8', video, {}, session);
// @ts-expect-error No code of ours.
const code: PlayerError['code'] = 10;
console.log(code);
