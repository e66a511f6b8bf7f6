import { Player as Plain } from './base.js';

export class Player extends Plain {
  async appendSegment(segment, bytes) {
    if (segment.msn === 106) await this.sleep(14000);
    await super.appendSegment(segment, bytes);
  }
}
