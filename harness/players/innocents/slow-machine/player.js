import { Player as Plain } from './base.js';

// Has a page around it that keeps the main thread busy for a fifth of the time.
export class Player extends Plain {
  attach() {
    super.attach();
    // In stream time: the page's clock may be a fast one.
    const busy = () => {
      const until = performance.now() + 60;
      while (performance.now() < until);
    };
    this.busy ??= setInterval(busy, 300);
  }
}
