import { Player as Plain } from './base.js';

export class Player extends Plain {
  stop() {
    const { url } = this;
    super.stop();
    setTimeout(() => fetch(url), 1500);
  }
}
