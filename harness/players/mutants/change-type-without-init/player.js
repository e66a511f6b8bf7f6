import { Player as Plain } from './base.js';

export class Player extends Plain {
  async appendMedia(bytes, segment) {
    if (segment.msn === 106) this.buffer.changeType(this.type);
    return super.appendMedia(bytes, segment);
  }
}
