// A plain, correct live player. Each mutant breaks exactly one of its promises by overriding one method, so that
// what a rule catches is that promise and nothing else. Run by itself (`mutants/none`) it must pass.

export class Player {
  constructor(video, url) {
    this.video = video;
    this.url = url;
    this.next = null; // Media Sequence Number of the next segment to append.
    this.hasInit = false;
    this.isOver = false;
    this.lastText = '';
  }

  async start() {
    const source = new MediaSource();
    this.source = source;
    const open = new Promise((resolve) => source.addEventListener('sourceopen', resolve, { once: true }));
    this.video.src = URL.createObjectURL(source);
    await open;
    this.buffer = source.addSourceBuffer('video/mp4; codecs="avc1.4d401e, mp4a.40.2"');
    this.buffer.mode = 'sequence';
    this.video.play();
    await this.follow();
  }

  // --- One method a promise ------------------------------------------------------------------------------

  /** A missing playlist ends the session. */
  isEnd(status) { return status === 404 || status === 410; }

  /** The segments of a reload are downloaded and appended in the order of the playlist. */
  async load(segments) {
    for (const segment of segments) {
      const bytes = await this.download(segment.url);
      if (bytes) await this.appendMedia(bytes);
      this.next = segment.msn + 1;
    }
  }

  /** A segment is appended once. */
  async appendMedia(bytes) { await this.append(bytes); }

  // --- The rest --------------------------------------------------------------------------------------------

  async follow() {
    while (!this.isOver) {
      const began = performance.now();
      const playlist = await this.reload();
      if (this.isOver || playlist?.isEnded) return this.end();
      const pause = (playlist?.hasChanged ? 1 : 0.5) * (this.targetDuration ?? 1000);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, began + pause - performance.now())));
    }
  }

  async reload() {
    const response = await fetch(this.url).catch(() => null);
    if (response && this.isEnd(response.status)) {
      this.isOver = true;
      return null;
    }
    const text = response?.ok ? await response.text().catch(() => null) : null;
    if (text === null) return null;
    const playlist = this.parse(text, response.url);
    this.targetDuration = playlist.targetDuration;
    if (!this.hasInit) {
      const init = await this.download(playlist.init);
      if (!init) return { ...playlist, hasChanged: false };
      await this.append(init);
      this.hasInit = true;
    }
    if (this.next === null) this.next = playlist.joinAt;
    await this.load(playlist.segments.filter((segment) => segment.msn >= this.next && !segment.isGap));
    return playlist;
  }

  parse(text, base) {
    const tag = (name) => new RegExp(`^#${name}:(.*)$`, 'm').exec(text)?.[1];
    const targetDuration = Number(tag('EXT-X-TARGETDURATION')) * 1000;
    const segments = [];
    let msn = Number(tag('EXT-X-MEDIA-SEQUENCE') ?? 0);
    let duration = 0;
    let isGap = false;
    for (const line of text.split('\n').map((l) => l.trim())) {
      if (line.startsWith('#EXTINF:')) duration = parseFloat(line.slice(8)) * 1000;
      else if (line === '#EXT-X-GAP') isGap = true;
      else if (line && !line.startsWith('#')) {
        segments.push({ msn, duration, isGap, url: new URL(line, base).href });
        msn += 1;
        isGap = false;
      }
    }
    const hasChanged = text !== this.lastText;
    this.lastText = text;
    return {
      targetDuration, segments, hasChanged,
      init: new URL(/URI="(.*?)"/.exec(tag('EXT-X-MAP'))[1], base).href,
      isEnded: text.includes('#EXT-X-ENDLIST'),
      joinAt: this.joinAt(segments, targetDuration),
    };
  }

  /** As far from the end as the app wants, else three target durations (RFC 8216, 6.3.3). */
  joinAt(segments, targetDuration) {
    const delay = Number(new URLSearchParams(location.search).get('live_delay')) * 1000 || 3 * targetDuration;
    let fromEnd = 0;
    for (const segment of [...segments].reverse()) {
      fromEnd += segment.duration;
      if (fromEnd >= delay) return segment.msn;
    }
    return segments[0]?.msn ?? null;
  }

  /** The whole body of a good answer, or null after three tries. */
  async download(url) {
    for (let attempt = 0; attempt < 3; attempt++) {
      const response = await fetch(url, { signal: AbortSignal.timeout(3000) }).catch(() => null);
      const bytes = response?.ok ? await response.arrayBuffer().catch(() => null) : null;
      if (bytes) return bytes;
    }
    return null;
  }

  append(bytes) {
    return new Promise((resolve) => {
      this.buffer.addEventListener('updateend', resolve, { once: true });
      this.buffer.appendBuffer(bytes);
    });
  }

  end() {
    this.isOver = true;
    if (this.source.readyState === 'open') this.source.endOfStream();
  }
}

/** Starts a player class on the page's video. */
export function run(PlayerClass) {
  const url = new URLSearchParams(location.search).get('src');
  new PlayerClass(document.querySelector('video'), url).start();
}
