import { Player as Plain } from './base.js';

export class Player extends Plain {
  changed() {
    super.changed();
    // Only where the picture has come far enough is there anything to go back to, and a slow machine comes there late.
    const { buffered, currentTime } = this.video;
    if (this.hasGoneBack || !buffered.length || currentTime < buffered.start(0) + 4) return;
    this.hasGoneBack = true;
    this.video.currentTime = currentTime - 3;
  }
}
