import { Player as Plain } from './base.js';

export class Player extends Plain {
  take(text, url) {
    const hasChanged = super.take(text, url);
    if (!hasChanged) this.leave('nothing is new');
    return hasChanged;
  }
}
