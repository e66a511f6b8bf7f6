import { Player as Plain } from './base.js';

export class Player extends Plain {
  get(url, range, isRight, timeout) {
    return super.get(url, range, url.includes('.m4s') ? undefined : isRight, timeout);
  }
}
