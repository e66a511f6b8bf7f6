import { Player as Plain } from './base.js';

export class Player extends Plain {
  take(text, url) {
    const hasChanged = super.take(text, url);
    this.get(this.playlist.segments[0].map.url);
    return hasChanged;
  }
}
