import { Player as Plain } from './base.js';

// Takes every third segment out again, far before it is shown, and puts it back: so do players that switch variants.
export class Player extends Plain {
  async appendSegment(segment, bytes) {
    const start = this.end();
    await super.appendSegment(segment, bytes);
    const isAhead = this.buffer && !this.isBroken && start > this.video.currentTime + 2;
    if (segment.msn % 3 !== 0 || !isAhead || this.isOver || this.end() <= start) return;
    this.buffer.remove(start, Infinity);
    if (!(await this.settled())) return;
    this.beginsRun = true;
    await this.appendMedia(bytes, segment);
    this.beginsRun = false;
  }
}
