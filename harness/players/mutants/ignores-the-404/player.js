import { Player as Plain } from './base.js';

export class Player extends Plain {
  isEnd() { return false; }
}
