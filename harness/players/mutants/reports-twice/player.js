import { Player as Plain } from './base.js';

export class Player extends Plain {
  async append(bytes) {
    while (!this.isOver) {
      try {
        this.buffer.appendBuffer(bytes);
        return this.settled();
      } catch (error) {
        this.report(false, error.name);
        this.report(false, error.name);
        await this.sleep(this.td / 2);
      }
    }
    return false;
  }
}
