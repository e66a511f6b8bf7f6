import { Player as Plain } from './base.js';

export class Player extends Plain {
  // By name, and only the last three are remembered.
  pick() {
    this.names ??= [];
    const segment = this.playlist?.segments.find((s) => s.msn >= this.joined && !this.names.includes(s.url));
    if (segment) this.next = segment.msn;
    return segment;
  }

  joinAt(playlist) {
    this.joined = super.joinAt(playlist);
    return this.joined;
  }

  async appendSegment(segment, bytes) {
    this.names = [...this.names, segment.url].slice(-3);
    await super.appendSegment(segment, bytes);
  }
}
