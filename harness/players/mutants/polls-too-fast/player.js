import { Player as Plain } from './base.js';

export class Player extends Plain {
  reloadPause() { return this.td / 8; }
}
