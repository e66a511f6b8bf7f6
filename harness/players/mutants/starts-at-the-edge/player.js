import { Player as Plain } from './base.js';

export class Player extends Plain {
  joinAt({ end }) { return end - 1; }
}
