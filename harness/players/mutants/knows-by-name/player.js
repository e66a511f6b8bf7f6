import { Player as Plain } from './base.js';

export class Player extends Plain {
  pick() {
    this.names ??= new Set();
    return this.playlist?.segments.find((s) => s.msn >= this.next && !this.names.has(s.url));
  }

  async appendSegment(segment, bytes) {
    this.names.add(segment.url);
    await super.appendSegment(segment, bytes);
  }
}
