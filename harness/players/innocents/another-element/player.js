import { Player as Plain } from './base.js';

// Leaves its media element when it is stopped, and begins anew with another one in its place, as video.js does.
export class Player extends Plain {
  constructor(_, url) { super(document.querySelector('video'), url); }

  stop() {
    super.stop();
    this.video.replaceWith(this.video.cloneNode());
  }
}
