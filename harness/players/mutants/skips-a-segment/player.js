import { Player as Plain } from './base.js';

export class Player extends Plain {
  pick() {
    if (this.next === 106) this.next = 107;
    return super.pick();
  }
}
