import { Player as Plain } from './base.js';

// A new run begins 0.7 s before the end of what is buffered, as if the media were that much shorter.
export class Player extends Plain {
  early = 0;

  async appendMedia(bytes, segment) {
    this.early = this.appended.length > 0 ? 0.7 : 0;
    const isDone = await super.appendMedia(bytes, segment);
    this.early = 0;
    return isDone;
  }

  end() { return super.end() - this.early; }
}
