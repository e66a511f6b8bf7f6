import { Player as Plain } from './base.js';

export class Player extends Plain {
  get(url, range, isRight, timeout) { return super.get(url, null, isRight, timeout); }
}
