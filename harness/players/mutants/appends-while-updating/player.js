import { Player as Plain } from './base.js';

export class Player extends Plain {
  async append(bytes) {
    const isDone = super.append(bytes);
    if (this.appended.length === 4) try { this.buffer.appendBuffer(bytes); } catch {}
    return isDone;
  }
}
