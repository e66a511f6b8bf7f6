import { Player as Plain } from './base.js';

export class Player extends Plain {
  heard(type) {
    super.heard(type);
    if (type === 'pause') this.video.play().catch(() => {});
  }
}
