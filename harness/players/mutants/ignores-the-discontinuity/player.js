import { Player as Plain } from './base.js';

export class Player extends Plain {
  async appendMedia(bytes, segment) {
    this.beginsRun = this.appended.length === 0;
    return super.appendMedia(bytes, segment);
  }

  async appendSegment(segment, bytes) {
    await this.appendMedia(bytes, segment);
    this.appended.push({ msn: segment.msn, end: this.end() });
    this.next = segment.msn + 1;
  }
}
