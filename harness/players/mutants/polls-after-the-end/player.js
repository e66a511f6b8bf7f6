import { Player as Plain } from './base.js';

export class Player extends Plain {
  isDone() { return false; }

  close() {
    if (!this.leaving.signal.aborted) this.over.abort();
    this.changed();
  }

  sleep(ms) { return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms))); }
}
