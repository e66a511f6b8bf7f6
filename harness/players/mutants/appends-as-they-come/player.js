import { Player as Plain } from './base.js';

export class Player extends Plain {
  constructor(...all) {
    super(...all);
    this.mode = 'sequence';
  }

  // All that is new is downloaded at once, first come, first served.
  async load(segment) {
    if (this.needsInit(segment) && !(await this.loadInit(segment))) return;
    this.queue ??= Promise.resolve();
    for (const each of this.playlist.segments.filter((s) => s.msn >= this.next)) {
      this.next = each.msn + 1;
      this.get(each.url, null, undefined, 5).then(({ body }) => {
        if (body) this.queue = this.queue.then(() => this.appendMedia(body, each));
      });
    }
  }
}
