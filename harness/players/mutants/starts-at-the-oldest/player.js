import { Player as Plain } from './base.js';

export class Player extends Plain {
  joinAt({ first }) { return first; }
}
