import { Player as Plain } from './base.js';

export class Player extends Plain {
  take(text, url) {
    if (!/^#EXT-X-ENDLIST/m.test(text) || !this.playlist) return super.take(text, url);
    this.playlist.isEnded = true;
    this.changed();
    return true;
  }
}
