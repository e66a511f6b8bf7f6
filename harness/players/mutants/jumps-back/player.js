import { Player as Plain } from './base.js';

export class Player extends Plain {
  async appendSegment(segment, bytes) {
    await super.appendSegment(segment, bytes);
    if (segment.msn === 107) this.video.currentTime -= 3;
  }
}
