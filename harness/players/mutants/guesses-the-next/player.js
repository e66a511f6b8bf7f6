import { Player as Plain } from './base.js';

export class Player extends Plain {
  async appendSegment(segment, bytes) {
    await super.appendSegment(segment, bytes);
    this.get(segment.url.replace(/\d+(?=\.m4s)/, (number) => Number(number) + 4));
  }
}
