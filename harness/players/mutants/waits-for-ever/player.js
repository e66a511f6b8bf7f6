import { Player as Plain } from './base.js';

export class Player extends Plain {
  get(url, range, isRight) { return super.get(url, range, isRight, 1000); }
}
