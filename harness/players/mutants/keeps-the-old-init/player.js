import { Player as Plain } from './base.js';

export class Player extends Plain {
  needsInit() { return this.map === null; }
}
