import { Player as Plain } from './base.js';

export class Player extends Plain {
  async append(bytes) {
    try {
      this.buffer.appendBuffer(bytes);
    } catch {
      return true;
    }
    return this.settled();
  }
}
