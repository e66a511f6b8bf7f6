import { Player as Plain } from './base.js';

// Appends each body in three pieces, as a player does that hands on what comes while it comes. Its video is muted, as
// it has to be on many pages to play at once.
export class Player extends Plain {
  attach() {
    this.video.muted = true;
    super.attach();
  }

  async append(bytes) {
    const third = Math.ceil(bytes.byteLength / 3);
    for (let at = 0; at < bytes.byteLength; at += third) {
      if (!(await super.append(bytes.slice(at, at + third)))) return false;
    }
    return true;
  }
}
