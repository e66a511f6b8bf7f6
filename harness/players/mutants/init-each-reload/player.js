import { Player as Plain } from './base.js';

export class Player extends Plain {
  take(text, url) {
    this.map = null;
    return super.take(text, url);
  }

  // Without the comparison with the one in force.
  async loadInit(segment) {
    this.map = null;
    return super.loadInit(segment);
  }
}
