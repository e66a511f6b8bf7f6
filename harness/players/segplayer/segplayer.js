// SegmentationStreaming's script, written anew from what it does, faults included: this is the player that the
// suite was first made for. What it gets wrong stands in known.toml, with the reason.
'use strict';

const source = new URLSearchParams(location.search).get('src');
const RELOAD_MS = 1000;
const REMEMBERED_NAMES = 10;

const mediaSource = new MediaSource();
mediaSource.addEventListener('sourceopen', () => follow(source));
document.querySelector('video').src = URL.createObjectURL(mediaSource);

async function follow(playlistUrl) {
  // Fixed codecs; sequence mode puts each segment behind the one appended before, whatever its timestamps say.
  const buffer = mediaSource.addSourceBuffer('video/mp4; codecs="avc1.42E01E, mp4a.40.2"');
  buffer.mode = 'sequence';
  const folder = playlistUrl.slice(0, playlistUrl.lastIndexOf('/') + 1);
  const download = async (name) => (await fetch(folder + name)).arrayBuffer();
  // The twin in ../segplayer-in-turn waits for each download before the next one.
  const isInTurn = document.documentElement.hasAttribute('data-in-turn');
  let turn = Promise.resolve();
  const bytesOf = (name) => {
    if (!isInTurn) return download(name);
    const bytes = turn.then(() => download(name));
    turn = bytes.catch(() => {});
    return bytes;
  };

  let hasInit = false;
  const names = [];
  const waiting = [];
  for (;;) {
    const text = await (await fetch(playlistUrl)).text();
    // The end it waits for is a text that no server sends: a real 404 does not stop it.
    if (text === 'StatusCode 404') return;

    // The downloads of one reload start together and queue up in the order in which they finish.
    for (const line of text.split(/\r?\n/)) {
      const map = /^#EXT-X-MAP:URI="(.*)"$/.exec(line);
      if (map && !hasInit) {
        hasInit = true;
        bytesOf(map[1]).then((bytes) => buffer.appendBuffer(bytes));
      } else if (line.endsWith('.m4s') && !names.includes(line)) {
        names.push(line);
        bytesOf(line).then((bytes) => waiting.push(bytes));
      }
    }

    // An append makes the buffer busy, so this is one segment a second at the most.
    while (!buffer.updating && waiting.length > 0) buffer.appendBuffer(waiting.shift());
    while (names.length > REMEMBERED_NAMES) names.shift();
    await new Promise((resolve) => setTimeout(resolve, RELOAD_MS));
  }
}
