import { Player as Plain } from './base.js';

export class Player extends Plain {
  async evict() {
    const { currentTime } = this.video;
    if (this.appended.length !== 6) return;
    this.buffer.remove(0, currentTime + 3);
    await this.settled();
  }

  async watch() {}
}
