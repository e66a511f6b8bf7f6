import { Player as Plain } from './base.js';

export class Player extends Plain {
  async download(segment) {
    return (await this.get(segment.url)).body ?? null;
  }
}
