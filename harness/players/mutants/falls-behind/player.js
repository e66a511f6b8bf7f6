import { Player as Plain } from './base.js';

export class Player extends Plain {
  attach() {
    super.attach();
    this.video.playbackRate = 0.7;
  }
}
