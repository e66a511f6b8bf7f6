import { Player as Plain } from './base.js';

// Lets the SourceBuffer put each segment behind the last one, whatever its timestamps say.
export class Player extends Plain {
  constructor(...all) {
    super(...all);
    this.mode = 'sequence';
  }
}
