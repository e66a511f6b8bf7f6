import { Player as Plain } from './base.js';

export class Player extends Plain {
  constructor(...all) {
    super(...all);
    this.mode = 'sequence';
  }

  get(url, range, isRight, timeout) {
    return super.get(url, range, url.includes('.m4s') ? undefined : isRight, timeout);
  }

  // Without a look at what has become of it.
  async appendSegment(segment, bytes) {
    await this.appendMedia(bytes, segment);
    this.appended.push({ msn: segment.msn, end: this.end() });
    this.next = segment.msn + 1;
  }
}
