import { Player as Plain } from './base.js';

import { TwoBuffers } from './two-buffers.js';

// Has a SourceBuffer for the picture and another one for the sound.
export class Player extends Plain {
  addBuffer(init) { return new TwoBuffers(this.source, init); }
}
