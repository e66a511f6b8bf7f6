import { Player as Plain } from './base.js';

export class Player extends Plain {
  async appendMedia(bytes, segment) {
    if (!(await super.appendMedia(bytes, segment))) return false;
    if (segment.msn !== 105) return true;
    this.buffer.timestampOffset += segment.duration / 1000;
    return this.append(bytes);
  }
}
