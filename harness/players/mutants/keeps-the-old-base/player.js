import { Player as Plain } from './base.js';

export class Player extends Plain {
  base() { return this.url; }
}
